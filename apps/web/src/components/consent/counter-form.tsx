import type { AmountView } from '@pulsemesh/node/api';
import { type FormEvent, useState } from 'react';
import { amountToField, parseAmount } from '../../consent/amount.ts';
import { useAct } from '../../consent/use-act.ts';
import { Line, Problem } from './parts.tsx';

/** Longest note, as the API takes it. */
const noteCharsMax = 500;

/** Says for how much instead, without saying who. */
export function CounterForm(props: {
  readonly price: AmountView;
  readonly onSend: (price: string, note: string) => Promise<void>;
  readonly onCancel: () => void;
}) {
  const { price, onSend, onCancel } = props;
  const [typed, setTyped] = useState(amountToField(price.units, price.decimals));
  const [note, setNote] = useState('');
  const [error, setError] = useState<string | undefined>(undefined);
  const act = useAct();
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const units = parseAmount(typed, price.decimals);
    setError(units === null ? `An amount with at most ${price.decimals} digits after the point is needed.` : undefined);
    if (units !== null) void act.run('counter', () => onSend(units, note.trim()));
  };
  return (
    <form className="stack" onSubmit={submit} noValidate>
      <Line
        label={`Compensation you would say yes for, in ${price.symbol}`}
        name="price"
        value={typed}
        charsMax={40}
        error={error}
        onChange={setTyped}
      />
      <Line
        label="A note for the researcher (may be empty)"
        hint="They are told the amount and this note, not who you are. Do not write your name."
        name="note"
        value={note}
        charsMax={noteCharsMax}
        rows={3}
        onChange={setNote}
      />
      <div className="form-actions">
        <button type="submit" className="button" disabled={act.busy !== null}>
          {act.busy === null ? 'Send this answer' : 'Sending…'}
        </button>
        <button type="button" className="button-quiet" onClick={onCancel}>
          Back
        </button>
      </div>
      <Problem text={act.problem} />
    </form>
  );
}
