import type { AttemptView, TaskView } from '@pulsemesh/learning/view';
import { formatCount, formatDuration } from '../../format.ts';
import { attemptWords, reasonWords, stepName } from '../../learning/task-words.ts';
import { routeHref } from '../../state/route.ts';
import { PeerNames } from '../board/peer-name.tsx';
import { Moment, Notice } from '../small.tsx';

/** Attempts shown before the older ones are only counted. */
const attemptsShownMax = 100;

/** Rounds as they go, newest first: who answered, who is late, how long it took, what was clipped and spent. */
export function RoundsTable({ view, nowMs }: { readonly view: TaskView; readonly nowMs: number }) {
  const { attempts, task } = view;
  if (attempts.length === 0) return <Notice title="No round was opened yet." />;
  const newest = [...attempts].reverse();
  return (
    <>
      <div className="table-frame">
        <table className="table table-stack rounds">
          <caption className="visually-hidden">Rounds, newest first</caption>
          <thead>
            <tr>
              <th scope="col">Round</th>
              <th scope="col">Answered</th>
              <th scope="col">Late or absent</th>
              <th scope="col">Took</th>
              <th scope="col">Clipped</th>
              {task.privacy === null ? null : <th scope="col">ε spent</th>}
            </tr>
          </thead>
          <tbody>
            {newest.slice(0, attemptsShownMax).map((attempt) => (
              <Row
                key={`${attempt.round}.${attempt.attempt}`}
                attempt={attempt}
                nowMs={nowMs}
                hasBudget={task.privacy !== null}
              />
            ))}
          </tbody>
        </table>
      </div>
      {attempts.length > attemptsShownMax ? (
        <p className="hint">{formatCount(attempts.length - attemptsShownMax)} earlier ones are on the board.</p>
      ) : null}
    </>
  );
}

function Row(props: { readonly attempt: AttemptView; readonly nowMs: number; readonly hasBudget: boolean }) {
  const { attempt, nowMs, hasBudget } = props;
  const { round, state, asked, absent, durationsMs, clipped, epsilon, openedMs, entries } = attempt;
  const isOver = state === 'summed' || state === 'failed';
  const answered = (attempt.answered ?? attempt.advertised ?? []).length;
  const totalMs = durationsMs.reduce((sum, ms) => sum + ms, 0);
  const last = entries.at(-1);
  return (
    <tr className={state === 'failed' ? 'is-failed' : ''}>
      <th scope="row">
        Round {formatCount(round)}
        {attempt.attempt > 1 ? `, attempt ${formatCount(attempt.attempt)}` : null}
        <span className={isOver ? 'round-state' : 'round-state is-live'}>
          {last === undefined ? (
            attemptWords[state]
          ) : (
            <a href={routeHref({ page: 'entry', id: last })}>{attemptWords[state]}</a>
          )}
          {state === 'failed' ? `: ${reasonWords(attempt.reason)}` : null}
        </span>
      </th>
      <td data-label="Answered">
        {state === 'opened'
          ? `${formatCount(asked.length)} asked`
          : `${formatCount(answered)} of ${formatCount(asked.length)}`}
      </td>
      <td data-label={isOver ? 'Absent' : 'Late'}>
        {state === 'opened' ? 'not known yet' : <PeerNames peers={absent} />}
      </td>
      <td data-label="Took">
        {durationsMs.length === 0 ? (
          <>
            since <Moment ms={openedMs} nowMs={nowMs} />
          </>
        ) : (
          <span title={durationsMs.map((ms, index) => `${stepName(index)} ${formatDuration(ms)}`).join(', ')}>
            {totalMs < 1_000 ? 'under 1 s' : formatDuration(totalMs)}
          </span>
        )}
      </td>
      <td data-label="Clipped">{clipped === null ? 'not told' : `${formatCount(clipped)} values`}</td>
      {hasBudget ? <td data-label="ε spent">{epsilon === null ? 'none yet' : epsilon.toFixed(2)}</td> : null}
    </tr>
  );
}
