import type { TaskView } from '@pulsemesh/learning/view';
import { useState } from 'react';
import { formatCount, formatPlural } from '../../format.ts';
import { routeHref } from '../../state/route.ts';
import { PeerName } from '../board/peer-name.tsx';
import { Moment } from '../small.tsx';

/** What the verifier in this browser found, in words, and what it could not look at. */
export function Findings({ view }: { readonly view: TaskView }) {
  const { findings, unchecked, isSound } = view;
  return (
    <div className={isSound ? 'receipt is-good' : 'receipt is-bad'} role={isSound ? undefined : 'alert'}>
      <p className="receipt-title">
        {isSound
          ? 'Nothing is wrong with this run, as far as the board shows it.'
          : `${formatPlural(findings.length, 'thing is', 'things are')} not as it must be.`}
      </p>
      {findings.length === 0 ? null : (
        <ul className="findings">
          {findings.map(({ kind, who, round, attempt, entries, text }) => (
            <li key={`${kind} ${round} ${attempt} ${entries.join()}`}>
              {text}
              {round === null ? null : `, in round ${round}${attempt === null ? '' : `, attempt ${attempt}`}`}
              {who === null ? null : (
                <>
                  ; signed by <PeerName peer={who} />
                </>
              )}
              {entries.map((id, index) => (
                <span key={id}>
                  {' '}
                  <a href={routeHref({ page: 'entry', id })}>entry {index + 1}</a>
                </span>
              ))}
            </li>
          ))}
        </ul>
      )}
      <p className="hint">Not checked here: {unchecked.join('; ')}.</p>
    </div>
  );
}

const linesAtOnce = 30;

/** Every entry of the run in order; each leads to its receipt. */
export function Trail({ view, nowMs }: { readonly view: TaskView; readonly nowMs: number }) {
  const { trail } = view;
  const [shown, setShown] = useState(linesAtOnce);
  const lines = trail.slice(-shown);
  return (
    <>
      {lines.length < trail.length ? (
        <button type="button" className="button-quiet" onClick={() => setShown(shown + 10 * linesAtOnce)}>
          Show earlier ones ({formatCount(trail.length - lines.length)})
        </button>
      ) : null}
      <ol className="trail">
        {lines.map(({ id, index, author, createdMs, text }) => (
          <li key={id}>
            <span className="quiet-id">{formatCount(index)}</span>
            <span>
              <a href={routeHref({ page: 'entry', id })}>
                {text}
                <span className="visually-hidden">, with receipt</span>
              </a>{' '}
              by <PeerName peer={author} />
            </span>
            <Moment ms={createdMs} nowMs={nowMs} />
          </li>
        ))}
      </ol>
    </>
  );
}
