import { type KeyboardEvent, type ReactElement, useId, useState } from "react";

interface Props {
  readonly connected: boolean;
  readonly running: boolean;
  readonly onSubmit: (task: string) => void;
  readonly onCancel: () => void;
}

/** Enter submits, Shift and Enter begin a new line, Escape cancels the task that runs. */
export function TaskForm({ connected, running, onSubmit, onCancel }: Props): ReactElement {
  const [task, setTask] = useState("");
  const id = useId();
  const canSubmit = connected && !running && task.trim() !== "";

  const submit = (): void => {
    if (canSubmit) {
      onSubmit(task.trim());
      setTask("");
    }
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    // An input method takes Enter and Escape for its own while it composes.
    if (event.nativeEvent.isComposing) {
      return;
    }
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      submit();
    } else if (event.key === "Escape" && running) {
      onCancel();
    }
  };

  return (
    <form
      className="callboard-form"
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      <label htmlFor={id}>Task</label>
      <textarea id={id} rows={2} value={task} onChange={(event) => setTask(event.target.value)} onKeyDown={onKeyDown} />
      <div className="callboard-buttons">
        <button type="submit" className="callboard-primary" disabled={!canSubmit}>
          Submit
        </button>
        <button type="button" disabled={!connected || !running} onClick={onCancel}>
          Cancel
        </button>
      </div>
    </form>
  );
}
