import '../styles/board.css';
import { BoardFrame } from '../components/board/board-frame.tsx';
import { Loading, Notice } from '../components/small.tsx';
import { type Route, routeHref } from '../state/route.ts';
import { useArrival } from '../state/use-arrival.ts';
import { LearningPage } from './learning-page.tsx';
import { TaskPage } from './task-page.tsx';

/** The pages of learning; fetched when somebody goes there. */
export default function LearningPages({ route }: { readonly route: Extract<Route, { page: 'learning' | 'task' }> }) {
  useArrival(route);
  if (route.page === 'learning') return <LearningPage />;
  return (
    <BoardFrame hasOwnTitle>
      {({ tasks, trouble }) => {
        const task = tasks?.find(({ id }) => id === route.id);
        if (task !== undefined) return <TaskPage view={task} />;
        if (tasks === null) return trouble === null ? <Loading what="the task" /> : null;
        return (
          <Notice title="The board has no such task.">
            <p>
              <a href={routeHref({ page: 'learning' })}>To the tasks</a>
            </p>
          </Notice>
        );
      }}
    </BoardFrame>
  );
}
