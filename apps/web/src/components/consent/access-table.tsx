import type { AccessView, AlarmView } from '@pulsemesh/node/api';
import { useState } from 'react';
import type { AccessCheck } from '../../consent/access-check.ts';
import { accessWords, alarmTitles, purposeWords } from '../../consent/words.ts';
import { formatCount, shortId } from '../../format.ts';
import { Pager } from '../board/pager.tsx';
import { Moment, Notice } from '../small.tsx';

/** Accesses on one page. */
const rowsPerPage = 25;

/** Who read what and when, newest first; each with what this browser found when it checked the receipt. */
export function AccessTable(props: {
  readonly accesses: readonly AccessView[];
  readonly checks: ReadonlyMap<AccessView, AccessCheck>;
  readonly nowMs: number;
  /** Said of the table. */
  readonly caption: string;
}) {
  const { accesses, checks, nowMs, caption } = props;
  const [page, setPage] = useState(0);
  const shown = accesses.slice(page * rowsPerPage, (page + 1) * rowsPerPage);
  return (
    <>
      {accesses.length > rowsPerPage ? (
        <Pager page={page} pageSize={rowsPerPage} total={accesses.length} onPage={setPage} />
      ) : null}
      <div className="table-frame">
        <table className="table table-stack table-wide access-table">
          <caption className="visually-hidden">{caption}</caption>
          <thead>
            <tr>
              <th scope="col">When</th>
              <th scope="col">What</th>
              <th scope="col">Who</th>
              <th scope="col">From where</th>
              <th scope="col">Proof</th>
            </tr>
          </thead>
          <tbody>
            {shown.map((access) => (
              <tr key={`${access.custodian} ${access.index}`} className={access.kind === 'denied' ? 'is-denied' : ''}>
                <td>
                  <Moment ms={access.atMs} nowMs={nowMs} />
                </td>
                <th scope="row">
                  {accessWords(access)}
                  <span className="quiet"> · {purposeWords(access.purpose)}</span>
                </th>
                <td data-label="Who">
                  <bdi>{access.organisation ?? 'no known name'}</bdi>{' '}
                  <span className="quiet-id" title={access.reader}>
                    {shortId(access.reader)}
                  </span>
                </td>
                <td data-label="From where">
                  custodian{' '}
                  <span className="quiet-id" title={access.custodian}>
                    {shortId(access.custodian)}
                  </span>
                  , entry {formatCount(access.index)}
                </td>
                <td data-label="Proof">
                  <CheckMark check={checks.get(access) ?? { kind: 'checking' }} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}

function CheckMark({ check }: { readonly check: AccessCheck }) {
  switch (check.kind) {
    case 'checking':
      return <span className="quiet">checking…</span>;
    case 'genuine':
      return (
        <span className="mark is-good">
          checked in this browser
          <span className="mark-more">{check.anchor}</span>
        </span>
      );
    case 'refused':
      return (
        <span className="mark is-bad">
          proves nothing
          <span className="mark-more">{check.text}</span>
        </span>
      );
  }
}

/** What must not be, in loud words. */
export function Alarms({ alarms, nowMs }: { readonly alarms: readonly AlarmView[]; readonly nowMs: number }) {
  return alarms.map((alarm) => (
    <Notice key={alarm.alarmId} title={alarmTitles[alarm.kind]} tone="problem">
      <p>
        <bdi>{alarm.text}</bdi>
      </p>
      <p>
        Custodian <span className="id">{shortId(alarm.custodian)}</span>, <Moment ms={alarm.atMs} nowMs={nowMs} />.
        {alarm.grantId === null ? null : (
          <>
            {' '}
            Consent <span className="id">{shortId(alarm.grantId)}</span>.
          </>
        )}{' '}
        If you do not expect this, withdraw the consent and tell the operator.
      </p>
    </Notice>
  ));
}
