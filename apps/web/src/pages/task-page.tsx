import type { TaskView } from '@pulsemesh/learning/view';
import { PeerName, PeerNames } from '../components/board/peer-name.tsx';
import { Findings, Trail } from '../components/learning/audit.tsx';
import { ResultPanel } from '../components/learning/result-panel.tsx';
import { RoundsTable } from '../components/learning/rounds-table.tsx';
import { ScreeningNote } from '../components/learning/screening-note.tsx';
import { SitesTable } from '../components/learning/sites-table.tsx';
import { StateChip } from '../components/learning/state-chip.tsx';
import { Moment, PageTitle } from '../components/small.tsx';
import { invitationWords, privacyWords, roundsWords, sumWords, workWords } from '../learning/task-words.ts';
import { useSecond } from '../state/hooks.ts';
import { routeHref } from '../state/route.ts';
import { Progress } from './learning-page.tsx';

/** One learning task: terms, sites, rounds as they go, what came out, and what the verifier says. */
export function TaskPage({ view }: { readonly view: TaskView }) {
  const nowMs = useSecond();
  return (
    <>
      <p className="crumbs">
        <a href={routeHref({ page: 'learning' })}>Learning</a>
      </p>
      <PageTitle aside={<StateChip state={view.state} />}>
        <bdi>{view.task.title}</bdi>
      </PageTitle>
      <Progress done={view.roundsDone} of={view.task.rounds} />
      <section aria-labelledby="rounds-title">
        <h2 id="rounds-title">Rounds</h2>
        <RoundsTable view={view} nowMs={nowMs} />
      </section>
      <section aria-labelledby="result-title">
        <h2 id="result-title">Result</h2>
        <ResultPanel view={view} nowMs={nowMs} />
      </section>
      <section aria-labelledby="sites-title">
        <h2 id="sites-title">Sites and contracts</h2>
        <SitesTable view={view} nowMs={nowMs} />
      </section>
      <Terms view={view} nowMs={nowMs} />
      <section aria-labelledby="verifier-title">
        <h2 id="verifier-title">Verifier</h2>
        <Findings view={view} />
      </section>
      <section aria-labelledby="trail-title">
        <h2 id="trail-title">Audit trail</h2>
        <p className="quiet">
          Every signed statement about this task, oldest first. Each leads to its entry and its receipt.
        </p>
        <Trail view={view} nowMs={nowMs} />
      </section>
      <ScreeningNote />
    </>
  );
}

function Terms({ view, nowMs }: { readonly view: TaskView; readonly nowMs: number }) {
  const { task, id, author } = view;
  return (
    <section className="panel" aria-labelledby="terms-title">
      <h2 id="terms-title">Terms</h2>
      <dl className="terms">
        <div>
          <dt>What</dt>
          <dd>{workWords(task)}</dd>
        </div>
        <div>
          <dt>Purpose that patients consented to</dt>
          <dd>
            <bdi>{task.purpose}</bdi>, from the query <bdi>{task.query.name}</bdi>, version {task.query.version}
          </dd>
        </div>
        <div>
          <dt>Who may take part</dt>
          <dd>
            {invitationWords(task)} {task.invited.length === 0 ? null : <PeerNames peers={task.invited} />}
          </dd>
        </div>
        <div>
          <dt>Who adds up</dt>
          <dd>
            {task.aggregator === null ? null : <PeerName peer={task.aggregator} />} {sumWords(task)}
          </dd>
        </div>
        <div>
          <dt>Privacy</dt>
          <dd>{privacyWords(task.privacy)}</dd>
        </div>
        <div>
          <dt>Rounds</dt>
          <dd>
            {roundsWords(task)} Nothing starts after <Moment ms={task.deadlineMs} nowMs={nowMs} />.
          </dd>
        </div>
        <div>
          <dt>Published</dt>
          <dd>
            by <PeerName peer={author} />, as <a href={routeHref({ page: 'entry', id })}>this entry</a>
          </dd>
        </div>
      </dl>
    </section>
  );
}
