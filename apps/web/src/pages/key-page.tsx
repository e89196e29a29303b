import type { AnyBoardEntry } from '@pulsemesh/board';
import { useState } from 'react';
import type { BoardState } from '../board/board-store.ts';
import { useBoardStore } from '../board/use-board.ts';
import { EntryTable } from '../components/board/entry-table.tsx';
import { Pager } from '../components/board/pager.tsx';
import { Loading, Moment, Notice, PageTitle } from '../components/small.tsx';
import { formatPlural } from '../format.ts';
import { useSecond } from '../state/hooks.ts';
import { routeHref } from '../state/route.ts';

const entriesPerPage = 20;

/** What the board has about a key, and by it: everybody sees the same. */
export function KeyPage({ peer, state }: { readonly peer: string; readonly state: BoardState }) {
  const store = useBoardStore();
  const nowMs = useSecond();
  const [page, setPage] = useState(0);
  const history = store.ofKind('key').filter((entry) => entry.kind === 'key' && entry.body.subject === peer);
  const written = store.ofKind(null).filter(({ author }) => author === peer);
  if (history.length === 0 && written.length === 0) {
    if (state.checkedMs === null && state.trouble === null) return <Loading what="the key" />;
    return <Notice title="The board has nothing about this key." />;
  }
  const end = Math.max(0, written.length - page * entriesPerPage);
  const name = store.nameOf(peer);
  return (
    <>
      <p className="crumbs">
        <a href={routeHref({ page: 'board' })}>Board</a>
      </p>
      <PageTitle aside={<KeyState history={history} />}>
        {name === null ? 'A key without a name' : <bdi>{name}</bdi>}
      </PageTitle>
      <p className="lead">
        Peer <bdi className="id">{peer}</bdi>. The name is what its holder calls itself; another key can use the same
        one.
      </p>
      <section aria-labelledby="history-title">
        <h2 id="history-title">History of the key</h2>
        {history.length === 0 ? (
          <Notice title="It was never enrolled here." />
        ) : (
          <ol className="history">
            {history.map((entry) => (
              <li key={entry.id}>
                <a href={routeHref({ page: 'entry', id: entry.id })}>{actionWords(entry)}</a>{' '}
                <Moment ms={entry.createdMs} nowMs={nowMs} />
                {entry.author === peer ? ', by itself' : ', by an authority of the board'}
              </li>
            ))}
          </ol>
        )}
      </section>
      <section aria-labelledby="written-title">
        <div className="toolbar">
          <h2 id="written-title">{formatPlural(written.length, 'entry', 'entries')} by it</h2>
          {written.length > entriesPerPage ? (
            <Pager page={page} pageSize={entriesPerPage} total={written.length} onPage={setPage} />
          ) : null}
        </div>
        <EntryTable
          caption="Entries by this key, newest first"
          entries={written.slice(Math.max(0, end - entriesPerPage), end).reverse()}
          nowMs={nowMs}
        />
      </section>
    </>
  );
}

function KeyState({ history }: { readonly history: readonly AnyBoardEntry[] }) {
  const last = history.at(-1);
  if (last?.kind !== 'key') return <span className="chip">not enrolled</span>;
  return last.body.action === 'revoke' ? (
    <span className="chip chip-bad">revoked: not to be used any more</span>
  ) : (
    <span className="chip chip-good">enrolled</span>
  );
}

function actionWords(entry: AnyBoardEntry): string {
  if (entry.kind !== 'key') return '';
  const { action, name, reason } = entry.body;
  if (action === 'revoke') return `Revoked${reason === undefined ? '' : `: ${reason}`}`;
  return action === 'enrol' ? `Enrolled as “${name}”` : `Renewed as “${name}”`;
}
