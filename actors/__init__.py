"""What the system is: messages, mailboxes, supervision, the log, the outbox and the actors that own them.

Nothing here knows HTTP, a wire dialect or SQL. Imports run `engine -> transport -> actors`.
"""
