import type { EntryKind } from '@pulsemesh/board';
import { useId, useState } from 'react';
import type { BoardState } from '../board/board-store.ts';
import { kindNames } from '../board/entry-words.ts';
import { useBoardStore } from '../board/use-board.ts';
import { BoardFrame } from '../components/board/board-frame.tsx';
import { EntryTable } from '../components/board/entry-table.tsx';
import { Pager } from '../components/board/pager.tsx';
import { ReceiptCheck } from '../components/board/receipt-check.tsx';
import { Notice, PageTitle } from '../components/small.tsx';
import { formatCount } from '../format.ts';
import { useSecond } from '../state/hooks.ts';

/** Entries on one page. */
export const entriesPerPage = 50;

const kinds = Object.keys(kindNames) as readonly EntryKind[]; // the keys of kindNames are the kinds

/** All that the board has, newest first, and a place to check receipts. */
export function BoardPage() {
  return (
    <>
      <PageTitle>Board</PageTitle>
      <p className="lead">
        The public log of this network: keys, learning tasks, contracts, rounds and models, each signed by its author.
        Nothing about a patient is on it. Your browser checks every signature itself and remembers what it saw.
      </p>
      <BoardFrame>{(state) => <Entries state={state} />}</BoardFrame>
    </>
  );
}

function Entries({ state }: { readonly state: BoardState }) {
  const store = useBoardStore();
  const nowMs = useSecond();
  const selectId = useId();
  const [kind, setKind] = useState<EntryKind | null>(null);
  const [page, setPage] = useState(0);
  const found = store.ofKind(kind);
  const end = Math.max(0, found.length - page * entriesPerPage);
  const shown = found.slice(Math.max(0, end - entriesPerPage), end).reverse();
  const isUnread = state.head === null;
  return (
    <>
      <div className="toolbar">
        <div className="field field-inline">
          <label htmlFor={selectId}>Show</label>
          <select
            id={selectId}
            value={kind ?? ''}
            onChange={(event) => {
              setKind(kinds.find((one) => one === event.target.value) ?? null);
              setPage(0);
            }}
          >
            <option value="">All entries ({formatCount(state.size)})</option>
            {kinds.map((one) => (
              <option key={one} value={one}>
                {kindNames[one]} ({formatCount(store.ofKind(one).length)})
              </option>
            ))}
          </select>
        </div>
        <Pager page={page} pageSize={entriesPerPage} total={found.length} onPage={setPage} />
      </div>
      {shown.length === 0 ? (
        isUnread ? null : (
          <Notice title={kind === null ? 'Nothing is on the board yet.' : 'The board has no entry of this kind.'} />
        )
      ) : (
        <EntryTable caption="Entries, newest first" entries={shown} nowMs={nowMs} />
      )}
      <ReceiptCheck />
    </>
  );
}
