"""One owner at a real engine that lets nobody in without a credential, by every dialect at once."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.engine_process import engine_process
from tests.support.faces.company import DIALECTS, company
from tests.support.faces.socket import Place
from tests.support.wallets import Wallet


async def test_a_key_for_a_public_key_and_a_signature_are_the_same_owner(tmp_path: Path) -> None:
    wallet = Wallet(7)
    with engine_process(tmp_path, "[auth]\nrequired = true\n") as engine:
        place = Place(engine.port, engine.token(wallet.public_key, "publish"), wallet)
        async with company(place, *DIALECTS) as faces:
            for starter in DIALECTS:
                await faces[starter].start("what is 12*34?", faces.session_id)
                endings = [await faces[watcher].see_end() for watcher in DIALECTS]
                assert "408" in endings[0].text
                assert endings == [endings[0]] * 5, starter
            await faces["pipeline"].broadcast(faces.session_id, "That is all.")
            assert [await faces[watcher].see_broadcast() for watcher in DIALECTS] == ["That is all."] * 5
            told = [await faces[reader].history(faces.session_id, 10) for reader in DIALECTS]
        assert len(told[0]) == 10
        assert told == [told[0]] * 5
