import { type FormEvent, useId, useState } from 'react';

/** Longest name of the one who acknowledges. */
export const byCharsMax = 80;

export interface AcknowledgeProps {
  /** What the person was called last time, or ''. */
  readonly savedName: string;
  /** Ends when the server has it; its rejection is shown. */
  readonly onAcknowledge: (by: string) => Promise<void>;
  /** Said to those who do not see which alert the button belongs to. */
  readonly about: string;
}

/** "I have seen it": one press where the name is known, else it is asked for here. */
export function Acknowledge({ savedName, onAcknowledge, about }: AcknowledgeProps) {
  const [name, setName] = useState(savedName);
  const [isAsking, setIsAsking] = useState(savedName === '');
  const [isBusy, setIsBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const nameId = useId();
  const problemId = useId();

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const by = name.trim();
    if (by === '') return setProblem('Enter your name, so that others know who has seen it.');
    setIsBusy(true);
    setProblem(null);
    try {
      await onAcknowledge(by);
    } catch (error) {
      setProblem(`Not acknowledged. ${error instanceof Error ? error.message : 'Try again.'}`);
    } finally {
      setIsBusy(false);
    }
  };

  return (
    <form className="acknowledge" onSubmit={(event) => void submit(event)} noValidate>
      {isAsking ? (
        <div className="field field-inline">
          <label htmlFor={nameId}>Your name</label>
          <input
            id={nameId}
            value={name}
            maxLength={byCharsMax}
            autoComplete="name"
            onChange={(event) => setName(event.target.value)}
            aria-invalid={problem !== null}
            aria-describedby={problem === null ? undefined : problemId}
          />
        </div>
      ) : null}
      <button type="submit" className="button" disabled={isBusy}>
        {isBusy ? 'Acknowledging…' : 'Acknowledge'}
        {isAsking || isBusy ? null : <bdi> as {name}</bdi>}
        <span className="visually-hidden"> {about}</span>
      </button>
      {isAsking ? null : (
        <button type="button" className="button-quiet" onClick={() => setIsAsking(true)}>
          Not you?
        </button>
      )}
      {problem === null ? null : (
        <p className="problem" id={problemId} role="alert">
          {problem}
        </p>
      )}
    </form>
  );
}
