import type { ConsentTerms } from '@pulsemesh/ledger/browser';
import type { AmountView, AskView, DraftView } from '@pulsemesh/node/api';
import { useMemo, useState } from 'react';
import { formatPrice } from '../../consent/amount.ts';
import { useAct } from '../../consent/use-act.ts';
import { lengthWords, purposeWords, spanWords, vitalWords } from '../../consent/words.ts';
import { formatPlural, shortId } from '../../format.ts';
import { Notice } from '../small.tsx';
import { ActButton, Problem, Term } from './parts.tsx';

export interface Accepting {
  /** What the document says. Throws where the draft is not what it shows. */
  readonly check: (draft: DraftView) => ConsentTerms;
  /** Signs with the passkey and hands it to the home; tells before a second touch. */
  readonly accept: (draft: DraftView, onSecondTouch: () => void) => Promise<void>;
}

/** What would be signed, read out of the very document whose hash is signed. */
export function AcceptPanel(props: {
  readonly ask: AskView;
  readonly draft: DraftView;
  readonly accepting: Accepting;
  readonly onCancel: () => void;
}) {
  const { ask, draft, accepting, onCancel } = props;
  const act = useAct();
  const [isSecond, setIsSecond] = useState(false);
  const found = useMemo(() => examine(draft, ask, accepting), [draft, ask, accepting]);
  if (found.kind === 'mismatch') {
    return (
      <Notice title="Do not sign this." tone="problem">
        <p>{found.text}</p>
        <p>Nothing was signed, and this page will not sign it. Tell the operator of this node.</p>
        <button type="button" className="button-quiet" onClick={onCancel}>
          Back
        </button>
      </Notice>
    );
  }
  return (
    <section className="sheet" aria-label="What you would sign">
      <h4>You would agree to this</h4>
      <AgreedTerms consent={found.consent} price={draft.price} />
      <p className="checked">
        This browser read these words out of the document that you sign, and compared its hash with what the passkey is
        asked for ({shortId(draft.challenge)}).
      </p>
      <details className="raw">
        <summary>The document itself</summary>
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, and a keyboard has to reach what scrolls */}
        <section aria-label="FHIR Consent" tabIndex={0}>
          <pre>{found.pretty}</pre>
        </section>
      </details>
      <p>
        <strong>
          You can withdraw this at any time, and then nothing more is handed out. What was read until then stays read:
        </strong>{' '}
        nobody can take it out of somebody’s memory or disk.
      </p>
      {isSecond ? (
        <p role="status" className="hint">
          Your passkey cannot make a key of its own for each consent, so it signs itself: touch it once more. Whoever
          sees the ledger can then tell that your consents are one person’s.
        </p>
      ) : null}
      <div className="form-actions">
        <ActButton
          act={act}
          name="accept"
          busyText="Waiting for your passkey…"
          onPress={() => accepting.accept(draft, () => setIsSecond(true))}
        >
          Say yes with my passkey
        </ActButton>
        <button type="button" className="button-quiet" disabled={act.busy !== null} onClick={onCancel}>
          Not now
        </button>
      </div>
      <Problem text={act.problem} />
    </section>
  );
}

function AgreedTerms({ consent, price }: { readonly consent: ConsentTerms; readonly price: AmountView }) {
  return (
    <dl className="terms">
      <Term name="Who">
        <bdi>{consent.organisation}</bdi> <span className="quiet-id">{shortId(consent.recipient)}</span>
      </Term>
      <Term name="Purpose">
        <bdi>{purposeWords(consent.purpose)}</bdi>
      </Term>
      <Term name="Data">{vitalWords(consent.vitals)}</Term>
      <Term name="Recorded">{spanWords(consent.fromSeconds * 1000, consent.untilSeconds * 1000)}</Term>
      <Term name="May be read for">{lengthWords(consent.accessForSeconds * 1000)} from the day they have the key</Term>
      <Term name="Handed out by">
        {formatPlural(consent.custodians.length, 'custodian', 'custodians')}, who hold it sealed
      </Term>
      <Term name="Compensation">{formatPrice(price)}</Term>
    </dl>
  );
}

function examine(draft: DraftView, ask: AskView, { check }: Accepting) {
  try {
    const consent = check(draft);
    const isAsked =
      consent.purpose === ask.purpose &&
      consent.recipient === ask.researcher &&
      consent.fromSeconds * 1000 === ask.fromMs &&
      consent.untilSeconds * 1000 === ask.untilMs &&
      consent.accessForSeconds * 1000 === ask.accessForMs &&
      [...consent.vitals].sort().join() === [...ask.vitals].sort().join();
    if (!isAsked) return { kind: 'mismatch', text: 'The document says something else than the request.' } as const;
    return { kind: 'good', consent, pretty: JSON.stringify(JSON.parse(draft.consent), null, 2) } as const;
  } catch (error) {
    return { kind: 'mismatch', text: error instanceof Error ? error.message : 'It cannot be read.' } as const;
  }
}
