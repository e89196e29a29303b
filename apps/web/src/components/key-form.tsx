import { type FormEvent, useId, useState } from 'react';
import { readAccessKey } from '../state/access-key.ts';
import { BrandMark } from './small.tsx';

export interface KeyFormProps {
  /** 'refused': there was a key and the server did not take it. */
  readonly reason: 'missing' | 'refused';
  readonly onKey: (key: string) => void;
}

/** Asks for the access key, and says where it is to be found. */
export function KeyForm({ reason, onKey }: KeyFormProps) {
  const [typed, setTyped] = useState('');
  const [problem, setProblem] = useState<string | null>(null);
  const inputId = useId();
  const helpId = useId();
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const key = readAccessKey(typed);
    if (key === null) setProblem('This is no access key. Copy the whole address, or the part after “token=”.');
    else onKey(key);
  };
  return (
    <form className="key-form" onSubmit={submit} noValidate>
      <BrandMark />
      <h1>{reason === 'refused' ? 'This access key is not accepted' : 'Welcome to Pulsemesh'}</h1>
      <p id={helpId}>
        {reason === 'refused' ? 'The server may have been set up anew. ' : ''}
        Heartbeats are private: this page opens with an access key. Pulsemesh prints an address with the key when it
        starts; open that address, or paste it here.
      </p>
      <div className="field">
        <label htmlFor={inputId}>Address or access key</label>
        <input
          id={inputId}
          value={typed}
          onChange={(event) => setTyped(event.target.value)}
          autoComplete="off"
          spellCheck={false}
          aria-describedby={helpId}
          aria-invalid={problem !== null}
        />
        {problem === null ? null : (
          <p className="problem" role="alert">
            {problem}
          </p>
        )}
      </div>
      <button type="submit" className="button">
        Open
      </button>
    </form>
  );
}
