import '../styles/board.css';
import { unreachable } from '@pulsemesh/base/errors';
import { BoardFrame } from '../components/board/board-frame.tsx';
import type { Route } from '../state/route.ts';
import { useArrival } from '../state/use-arrival.ts';
import { BoardPage } from './board-page.tsx';
import { EntryPage } from './entry-page.tsx';
import { KeyPage } from './key-page.tsx';

/** The pages of the board; fetched when somebody goes there. */
export default function BoardPages({ route }: { readonly route: Extract<Route, { page: 'board' | 'entry' | 'key' }> }) {
  useArrival(route);
  switch (route.page) {
    case 'board':
      return <BoardPage />;
    case 'entry':
      return <BoardFrame hasOwnTitle>{(state) => <EntryPage key={route.id} id={route.id} state={state} />}</BoardFrame>;
    case 'key':
      return <BoardFrame hasOwnTitle>{(state) => <KeyPage peer={route.peer} state={state} />}</BoardFrame>;
    default:
      return unreachable(route);
  }
}
