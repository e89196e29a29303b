import type { PatientConsentView } from '@pulsemesh/node/api';
import { type FormEvent, useId, useState } from 'react';
import { useAct } from '../../consent/use-act.ts';
import { Moment } from '../small.tsx';
import { ActButton, Line, Problem } from './parts.tsx';

export interface ChoiceActions {
  /** Makes a passkey, or another one in place of the one that is there. @returns whether it can make keys (PRF). */
  readonly enrol: () => Promise<boolean>;
  readonly setAskable: (isAskable: boolean) => Promise<void>;
  readonly save: (format: 'fhir' | 'csv') => Promise<void>;
  readonly erase: () => Promise<void>;
}

/** The patient's passkey: with it consent is given, and nothing else can give it. */
export function PasskeyPanel(props: {
  readonly passkey: PatientConsentView['passkey'];
  readonly nowMs: number;
  readonly actions: ChoiceActions;
}) {
  const { passkey, nowMs, actions } = props;
  const act = useAct();
  const [hasPrf, setHasPrf] = useState<boolean | null>(null);
  const enrol = async () => setHasPrf(await actions.enrol());
  return (
    <section className="panel" aria-labelledby="passkey-title">
      <h2 id="passkey-title">Your passkey</h2>
      {passkey === null ? (
        <p>
          A yes is given with a passkey: your fingerprint, face or PIN on this device. It needs no account and no money,
          and nobody can say yes for you without it. Make one, and keep it: only it can withdraw consent and money
          again.
        </p>
      ) : (
        <p>
          Made <Moment ms={passkey.enrolledMs} nowMs={nowMs} />. Only it can say yes, withdraw consent, and withdraw
          money.
        </p>
      )}
      <ActButton act={act} name="enrol" busyText="Waiting for your device…" isQuiet={passkey !== null} onPress={enrol}>
        {passkey === null ? 'Make a passkey' : 'Replace it by another one'}
      </ActButton>
      {passkey === null ? null : (
        <p className="hint">
          Replacing asks for both: the old passkey agrees to the new one. What the old one agreed to stays with the old
          one.
        </p>
      )}
      {hasPrf === false ? (
        <p className="hint" role="status">
          This passkey cannot make keys of its own (PRF). It works, with one difference: it signs each yes itself, so
          whoever sees the ledger can tell that your consents belong to one person, though not to whom.
        </p>
      ) : null}
      <Problem text={act.problem} />
    </section>
  );
}

/** Whether requests may come at all, taking data along, and being forgotten. */
export function ChoicesPanel(props: { readonly isAskable: boolean; readonly actions: ChoiceActions }) {
  const { isAskable, actions } = props;
  const act = useAct();
  const hintId = useId();
  // Shown at once; taken back where the home does not take it.
  const [wanted, setWanted] = useState<boolean | null>(null);
  return (
    <section className="panel" aria-labelledby="choices-title">
      <h2 id="choices-title">Your choices</h2>
      <label className="tick">
        <input
          type="checkbox"
          checked={wanted ?? isAskable}
          disabled={act.busy !== null}
          aria-describedby={hintId}
          onChange={(event) => {
            const next = event.target.checked;
            setWanted(next);
            void act.run('askable', () => actions.setAskable(next)).finally(() => setWanted(null));
          }}
        />
        <span>Researchers may ask me</span>
      </label>
      <p className="hint" id={hintId}>
        Requests to groups of patients reach you only while this is on. They are compared with your data here, on this
        node: nobody learns that you match unless you answer.
      </p>
      <div className="form-actions">
        <ActButton act={act} name="fhir" busyText="Fetching…" isQuiet onPress={() => actions.save('fhir')}>
          Save my data (FHIR)
        </ActButton>
        <ActButton act={act} name="csv" busyText="Fetching…" isQuiet onPress={() => actions.save('csv')}>
          Save my data (CSV)
        </ActButton>
      </div>
      <Problem text={act.problem} />
      <Erase onErase={actions.erase} />
    </section>
  );
}

/** What has to be typed. */
const word = 'erase';

function Erase({ onErase }: { readonly onErase: () => Promise<void> }) {
  const [typed, setTyped] = useState('');
  const [error, setError] = useState<string | undefined>(undefined);
  const act = useAct();
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const isMeant = typed.trim().toLowerCase() === word;
    setError(isMeant ? undefined : `Type the word ${word}.`);
    if (!isMeant) return;
    void act.run('erase', onErase).then((isDone) => {
      if (isDone) setTyped('');
    });
  };
  return (
    <details className="raw erase">
      <summary>Erase what ties the ledger to me</summary>
      <p>
        Every consent that still stands is withdrawn. Then the salts, signatures and documents are destroyed, here and
        with the custodians: what stays on the ledger are numbers that nobody can connect with you any more.
      </p>
      <p>
        <strong>This cannot be undone.</strong> Money that is still in a purse can then no longer be drawn from this
        page, and the proofs of who read your data go, too. Save them first.
      </p>
      <form className="stack" onSubmit={submit} noValidate>
        <Line
          label={`To do it, type the word ${word}`}
          name="erase"
          value={typed}
          charsMax={16}
          error={error}
          onChange={setTyped}
        />
        <button type="submit" className="button button-grave" disabled={act.busy !== null}>
          {act.busy === null ? 'Erase' : 'Erasing…'}
        </button>
        <Problem text={act.problem} />
      </form>
    </details>
  );
}
