import type { GrantView } from '@pulsemesh/node/api';
import { useState } from 'react';
import { formatPrice } from '../../consent/amount.ts';
import { useAct } from '../../consent/use-act.ts';
import { isRevocable, phaseWords, purposeWords, spanWords, vitalWords } from '../../consent/words.ts';
import { formatPlural, shortId } from '../../format.ts';
import { Moment } from '../small.tsx';
import { ActButton, PhaseChip, PhaseClock, Problem, Term } from './parts.tsx';

export interface GrantActions {
  readonly revoke: (grant: GrantView) => Promise<void>;
  readonly save: (format: 'fhir' | 'csv', grant: GrantView) => Promise<void>;
}

/** A consent that was given: to what, where it stands, and the way to end it. */
export function GrantCard(props: {
  readonly grant: GrantView;
  readonly nowMs: number;
  readonly actions: GrantActions;
}) {
  const { grant, nowMs, actions } = props;
  const act = useAct();
  const titleId = `grant-${grant.grantId}`;
  return (
    <article className="panel grant" aria-labelledby={titleId}>
      <div className="task-head">
        <h3 id={titleId}>
          <bdi>{grant.title}</bdi>
        </h3>
        <PhaseChip phase={grant.phase} />
      </div>
      <p>{phaseWords[grant.phase].patient}</p>
      <PhaseClock phase={grant.phase} deadlineMs={grant.deadlineMs} nowMs={nowMs} />
      <dl className="terms">
        <Term name="Who">
          <bdi>{grant.organisation}</bdi>, for <bdi>{purposeWords(grant.purpose)}</bdi>
        </Term>
        <Term name="What">{vitalWords(grant.vitals)}</Term>
        <Term name="Recorded">{spanWords(grant.fromMs, grant.untilMs)}</Term>
        <Term name="Compensation">{formatPrice(grant.price)}</Term>
        <Term name="You said yes">
          <Moment ms={grant.offeredMs} nowMs={nowMs} />
        </Term>
        <Term name="Read so far">{formatPlural(grant.accesses, 'time', 'times')}</Term>
        <Term name="On the ledger as">
          <span className="id" title={grant.grantId}>
            {shortId(grant.grantId)}
          </span>
          {grant.signing !== null && grant.signing.keySalt === null ? (
            <span className="quiet"> signed by the passkey itself: can be linked with others that it signed</span>
          ) : null}
        </Term>
      </dl>
      <div className="form-actions">
        {isRevocable(grant) && grant.signing !== null ? <Revoke grant={grant} onRevoke={actions.revoke} /> : null}
        <ActButton act={act} name="fhir" busyText="Fetching…" isQuiet onPress={() => actions.save('fhir', grant)}>
          Save these data (FHIR)
        </ActButton>
        <ActButton act={act} name="csv" busyText="Fetching…" isQuiet onPress={() => actions.save('csv', grant)}>
          Save these data (CSV)
        </ActButton>
      </div>
      <Problem text={act.problem} />
    </article>
  );
}

function Revoke({ grant, onRevoke }: { readonly grant: GrantView; readonly onRevoke: GrantActions['revoke'] }) {
  const act = useAct();
  const [isAsking, setIsAsking] = useState(false);
  if (!isAsking) {
    return (
      <button type="button" className="button-quiet" onClick={() => setIsAsking(true)}>
        Withdraw consent…
      </button>
    );
  }
  return (
    <section className="sheet" aria-label="Withdraw consent">
      <h4>Withdraw this consent?</h4>
      <ul className="checks">
        <li>From now on the custodians hand out nothing more, before the ledger has even written it down.</li>
        {grant.phase === 'paid' || grant.phase === 'offered' ? (
          <li>{grant.phase === 'paid' ? 'The buyer gets the money back.' : 'Nobody has paid for it yet.'}</li>
        ) : (
          <li>What you were paid stays yours.</li>
        )}
        <li>
          <strong>It cannot undo what was read:</strong> {formatPlural(grant.accesses, 'read', 'reads')} so far. Whoever
          read it may have kept a copy. They agreed not to use it further, but no program can see to that.
        </li>
        <li>What stands on the ledger stays there: that this consent was given and withdrawn, not whose it was.</li>
      </ul>
      <div className="form-actions">
        <ActButton act={act} name="revoke" busyText="Waiting for your passkey…" isGrave onPress={() => onRevoke(grant)}>
          Withdraw with my passkey
        </ActButton>
        <button type="button" className="button-quiet" disabled={act.busy !== null} onClick={() => setIsAsking(false)}>
          Keep it
        </button>
      </div>
      <Problem text={act.problem} />
    </section>
  );
}
