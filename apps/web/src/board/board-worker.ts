import { createSystemClock } from '@pulsemesh/base/clock';
import { serveFollower } from './serve-follower.ts';

// The thread that follows the board: started by the page, ended by it.
serveFollower(
  {
    post: (message) => self.postMessage(message),
    onMessage: (handler) => {
      // Only the page that started this thread can send to it.
      self.onmessage = ({ data }) => handler(data);
    },
    close: () => self.close(),
  },
  { clock: createSystemClock(), fetch: (input, init) => fetch(input, init) },
);
