import '../styles/board.css';
import '../styles/consent.css';
import type { AnchorView, AuditView, LedgerEventView } from '@pulsemesh/node/api';
import { useState } from 'react';
import { Pager } from '../components/board/pager.tsx';
import { LedgerNote, Term } from '../components/consent/parts.tsx';
import { Moment, Notice, PageTitle } from '../components/small.tsx';
import type { CheckedLog } from '../consent/access-check.ts';
import { formatAmount } from '../consent/amount.ts';
import { contradictionsOf, isOf, type LogVerdict } from '../consent/custodian-log.ts';
import { useCheckedAudit } from '../consent/use-checks.ts';
import { eventWords, ledgerStates } from '../consent/words.ts';
import { formatCount, formatPlural, shortId } from '../format.ts';
import { useSecond } from '../state/hooks.ts';
import { useArrival } from '../state/use-arrival.ts';
import { LoadProblem } from './consent-page.tsx';

const rowsPerPage = 50;
const route = { page: 'audit' } as const;

/** All that is public about consent and access, verified in this browser. */
export default function AuditPage() {
  useArrival(route);
  const nowMs = useSecond();
  const { audit, logs, progress } = useCheckedAudit();
  const view = audit.value;
  return (
    <>
      <PageTitle>Audit</PageTitle>
      <p className="lead">
        What anybody may see: events of the ledger and logs of hashes. Nobody’s name and no health value is among it.
        This browser fetches every entry of each custodian’s log, computes the tree itself, and compares its roots with
        those on ledger and board.
      </p>
      <LoadProblem loaded={audit} what="what is public" />
      {view === null ? null : (
        <>
          <Contradictions view={view} logs={logs} />
          <Ledger view={view} />
          <section aria-labelledby="logs-title">
            <h2 id="logs-title">Custodians’ access logs</h2>
            {logs.length === 0 ? <p className="quiet">No custodian is known here.</p> : null}
            <ul className="task-list">
              {logs.map((checked) => (
                <li key={checked.log.peer}>
                  <LogCard
                    checked={checked}
                    read={progress.get(checked.log.peer) ?? 0}
                    anchors={view.anchors.filter((anchor) => isOf(anchor, checked.log))}
                    nowMs={nowMs}
                  />
                </li>
              ))}
            </ul>
          </section>
          <Events view={view} nowMs={nowMs} />
        </>
      )}
    </>
  );
}

/** What cannot both be true, said loudly. */
function Contradictions({ view, logs }: { readonly view: AuditView; readonly logs: readonly CheckedLog[] }) {
  const found = [
    ...contradictionsOf(view.anchors),
    ...logs.flatMap(({ log, verdict }) =>
      verdict?.kind === 'bad' ? verdict.findings.map((text) => `Custodian ${shortId(log.peer)}: ${text}`) : [],
    ),
  ];
  if (found.length === 0) return null;
  return (
    <Notice title="Something here contradicts itself. Do not believe it." tone="problem">
      <ul className="findings">
        {found.map((text) => (
          <li key={text}>{text}</li>
        ))}
      </ul>
      <p>Save this page and tell the operators: what is signed cannot be denied.</p>
    </Notice>
  );
}

function Ledger({ view }: { readonly view: AuditView }) {
  const { ledger } = view;
  return (
    <section aria-labelledby="ledger-title">
      <h2 id="ledger-title">The ledger</h2>
      <LedgerNote ledger={ledger} />
      {ledger === null || ledger.kind === 'board' ? null : (
        <dl className="terms panel">
          <Term name="State">{ledgerStates[ledger.state].name}</Term>
          <Term name="Chain">{ledger.chainId}</Term>
          <Term name="Contract">
            <span className="id">{ledger.contract ?? 'none'}</span>
          </Term>
          <Term name="Hash of the contract’s code">
            <span className="id">{ledger.codeHash ?? 'not known'}</span>
          </Term>
          <Term name="Blocks, and final ones">
            {formatCount(Number(ledger.head))}, {formatCount(Number(ledger.finalized))}
          </Term>
          <Term name="Sealed by">
            <span className="id">{ledger.sealers.join(', ') || 'not known'}</span>
          </Term>
        </dl>
      )}
    </section>
  );
}

const verdictWords: Readonly<Record<LogVerdict['kind'], { readonly name: string; readonly chip: string }>> = {
  sound: { name: 'verified in this browser', chip: 'chip-good' },
  bad: { name: 'contradicts itself', chip: 'chip-bad' },
  away: { name: 'not to be had now', chip: '' },
  long: { name: 'too long for a page', chip: '' },
};

function LogCard(props: {
  readonly checked: CheckedLog;
  readonly read: number;
  readonly anchors: readonly AnchorView[];
  readonly nowMs: number;
}) {
  const { log, verdict } = props.checked;
  const { read, anchors, nowMs } = props;
  const newest = anchors.reduce<AnchorView | null>(
    (best, one) => (best === null || one.count > best.count ? one : best),
    null,
  );
  const titleId = `log-${log.peer}`;
  return (
    <article
      className={verdict?.kind === 'bad' ? 'panel audit-log is-bad' : 'panel audit-log'}
      aria-labelledby={titleId}
    >
      <div className="task-head">
        <h3 id={titleId}>
          Custodian{' '}
          <span className="quiet-id" title={log.peer}>
            {shortId(log.peer)}
          </span>
        </h3>
        {verdict === null ? (
          <span className="chip chip-live">checking…</span>
        ) : (
          <span className={`chip ${verdictWords[verdict.kind].chip}`}>{verdictWords[verdict.kind].name}</span>
        )}
      </div>
      {verdict === null ? (
        <div className="progress">
          <progress max={Math.max(1, log.size)} value={read} aria-label="Entries read" />
          <span className="numeric">
            {formatCount(read)} of {formatPlural(log.size, 'entry', 'entries')}
          </span>
        </div>
      ) : (
        <>
          <p>
            {formatPlural(verdict.size, 'entry', 'entries')}
            {verdict.kind === 'sound' ? ', signed by the custodian, and its tree has the root that it signed' : ''}.{' '}
            {formatCount(verdict.anchorsMatched)} of {formatPlural(anchors.length, 'anchor', 'anchors')} compared and
            equal.
          </p>
          {verdict.findings.length === 0 ? null : (
            <ul className="findings">
              {verdict.findings.map((text) => (
                <li key={text}>{text}</li>
              ))}
            </ul>
          )}
        </>
      )}
      {newest === null ? (
        <p className="quiet">Nothing of it is anchored yet.</p>
      ) : (
        <p className="quiet">
          Last anchored <Moment ms={newest.atMs} nowMs={nowMs} />, {formatPlural(newest.count, 'entry', 'entries')}:{' '}
          {newest.transaction === null ? 'not on the ledger' : 'on the ledger'},{' '}
          {newest.boardIndex === null ? 'not on the board' : `on the board at place ${formatCount(newest.boardIndex)}`}.
        </p>
      )}
    </article>
  );
}

function Events({ view, nowMs }: { readonly view: AuditView; readonly nowMs: number }) {
  const [page, setPage] = useState(0);
  const { events, ledger } = view;
  const shown = events.slice(page * rowsPerPage, (page + 1) * rowsPerPage);
  return (
    <section aria-labelledby="events-title">
      <h2 id="events-title">Events of the ledger</h2>
      {events.length === 0 ? <p className="quiet">None yet.</p> : null}
      {events.length > rowsPerPage ? (
        <Pager page={page} pageSize={rowsPerPage} total={events.length} onPage={setPage} />
      ) : null}
      {events.length === 0 ? null : (
        <div className="table-frame">
          <table className="table table-stack table-wide">
            <caption className="visually-hidden">Events, newest first</caption>
            <thead>
              <tr>
                <th scope="col">What</th>
                <th scope="col">When</th>
                <th scope="col">Consent</th>
                <th scope="col">Block</th>
                <th scope="col">Transaction</th>
              </tr>
            </thead>
            <tbody>
              {shown.map((event) => (
                <tr key={`${event.at} ${event.place}`}>
                  <th scope="row">
                    {eventWords(event)}
                    {amountOf(event, ledger)}
                  </th>
                  <td>
                    <Moment ms={event.timeMs} nowMs={nowMs} />
                  </td>
                  <td data-label="Consent">{event.grantId === null ? '–' : <ShortHex value={event.grantId} />}</td>
                  <td data-label="Block" className="numeric-start">
                    {formatCount(Number(event.at))}
                  </td>
                  <td data-label="Transaction">
                    <ShortHex value={event.transaction} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

function amountOf({ kind, amount }: LedgerEventView, ledger: AuditView['ledger']): string {
  if (amount === null || ledger === null || (kind === 'ended' && amount === '0')) return '';
  const words = formatAmount(amount, ledger);
  return kind === 'ended' ? `; ${words} back to the buyer` : `; ${words}`;
}

function ShortHex({ value }: { readonly value: string }) {
  return (
    <span className="quiet-id" title={value}>
      {shortId(value)}
    </span>
  );
}
