import type { FromFollower, Line, ToFollower } from './messages.ts';

/** The page's end of the line to a new thread that follows the board. */
export function startBoardWorker(): Line<ToFollower, FromFollower> {
  const worker = new Worker(new URL('./board-worker.ts', import.meta.url), { type: 'module' });
  return {
    post: (message) => worker.postMessage(message),
    onMessage: (handler) => {
      worker.onmessage = ({ data }) => handler(data);
    },
    close: () => worker.terminate(),
  };
}
