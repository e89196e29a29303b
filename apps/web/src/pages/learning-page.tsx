import type { TaskView } from '@pulsemesh/learning/view';
import type { BoardState } from '../board/board-store.ts';
import { BoardFrame } from '../components/board/board-frame.tsx';
import { PeerName } from '../components/board/peer-name.tsx';
import { ScreeningNote } from '../components/learning/screening-note.tsx';
import { StateChip, VerdictChip } from '../components/learning/state-chip.tsx';
import { Loading, Moment, Notice, PageTitle } from '../components/small.tsx';
import { formatCount, formatPlural } from '../format.ts';
import { invitationWords, isOpen, privacyWords, workWords } from '../learning/task-words.ts';
import { useSecond } from '../state/hooks.ts';
import { routeHref } from '../state/route.ts';

/** The task board: what is learned together, with whom, and under which terms. */
export function LearningPage() {
  return (
    <>
      <PageTitle>Learning</PageTitle>
      <p className="lead">
        Hospitals learn from their records together, and no record leaves its hospital: each sends masked numbers that
        only make sense as a sum. What was agreed and what was done stands on the public board, and this page checks it.
      </p>
      <BoardFrame>{(state) => <Tasks state={state} />}</BoardFrame>
      <HowToJoin />
      <ScreeningNote />
    </>
  );
}

function Tasks({ state }: { readonly state: BoardState }) {
  const nowMs = useSecond();
  const { tasks } = state;
  if (tasks === null) return state.trouble === null && state.lie === null ? <Loading what="tasks" /> : null;
  if (tasks.length === 0) return <Notice title="No task is on the board yet." />;
  return (
    <ul className="task-list">
      {tasks.map((view) => (
        <li key={view.id}>
          <TaskCard view={view} nowMs={nowMs} />
        </li>
      ))}
    </ul>
  );
}

function TaskCard({ view, nowMs }: { readonly view: TaskView; readonly nowMs: number }) {
  const { id, task, state, author, roundsDone, sites, isSound, findings } = view;
  const signed = sites.filter((site) => site.state === 'signed').length;
  return (
    <article className="panel task-card" aria-labelledby={`task-${id}`}>
      <div className="task-head">
        <h2 id={`task-${id}`}>
          <a href={routeHref({ page: 'task', id })}>
            <bdi>{task.title}</bdi>
          </a>
        </h2>
        <span className="chips">
          <StateChip state={state} />
          <VerdictChip isSound={isSound} count={findings.length} />
        </span>
      </div>
      <p className="quiet">
        For <bdi>{task.purpose}</bdi>, published by <PeerName peer={author} />
      </p>
      <Progress done={roundsDone} of={task.rounds} />
      <dl className="terms">
        <div>
          <dt>What</dt>
          <dd>{workWords(task)}</dd>
        </div>
        <div>
          <dt>Who may take part</dt>
          <dd>
            {invitationWords(task)} {formatPlural(signed, 'site has', 'sites have')} signed.
          </dd>
        </div>
        <div>
          <dt>Privacy</dt>
          <dd>{privacyWords(task.privacy)}</dd>
        </div>
        <div>
          <dt>{isOpen(state) ? 'Nothing starts after' : 'Deadline'}</dt>
          <dd>
            <Moment ms={task.deadlineMs} nowMs={nowMs} />
          </dd>
        </div>
      </dl>
    </article>
  );
}

/** Rounds done, as a bar with its words. */
export function Progress({ done, of }: { readonly done: number; readonly of: number }) {
  return (
    <div className="progress">
      <progress max={of} value={Math.min(done, of)} aria-label="Rounds done" />
      <span className="numeric">
        {formatCount(done)} of {formatPlural(of, 'round', 'rounds')}
      </span>
    </div>
  );
}

function HowToJoin() {
  return (
    <details className="panel how">
      <summary>How a site takes part</summary>
      <p>
        Joining and publishing need a site’s own key, which no web page has. On the site’s machine, with its key on the
        board (<code>pulsemesh board enrol</code>):
      </p>
      <ul className="commands">
        <li>
          <code>pulsemesh learn join TASK --recordings FOLDER --consents FILE</code> signs the contract and takes part
        </li>
        <li>
          <code>pulsemesh learn leave TASK</code> ends it, from the next round on
        </li>
        <li>
          <code>pulsemesh learn publish --rhythm</code> puts a task on the board
        </li>
        <li>
          <code>pulsemesh learn adopt TASK</code> puts the result into service after a comparison on the site’s own
          records
        </li>
        <li>
          <code>pulsemesh learn verify TASK</code> re-checks a run from the board and the keys alone, as this page does
        </li>
      </ul>
    </details>
  );
}
