import type { AnyBoardEntry } from '@pulsemesh/board';
import { useState } from 'react';
import type { BoardState } from '../board/board-store.ts';
import { bytesWords, entrySentence, kindNames, peerWords } from '../board/entry-words.ts';
import type { FetchedReceipt } from '../board/messages.ts';
import { saveFile } from '../board/save-file.ts';
import { useBoardStore } from '../board/use-board.ts';
import { BodyTree } from '../components/board/body-tree.tsx';
import { PeerName } from '../components/board/peer-name.tsx';
import { ReceiptResult } from '../components/board/receipt-result.tsx';
import { Loading, Moment, Notice, PageTitle } from '../components/small.tsx';
import { formatCount } from '../format.ts';
import { useSecond } from '../state/hooks.ts';
import { routeHref } from '../state/route.ts';

/** One entry: who signed it, what it says, its bytes, and its receipt. */
export function EntryPage({ id, state }: { readonly id: string; readonly state: BoardState }) {
  const store = useBoardStore();
  const nowMs = useSecond();
  const entry = store.entry(id);
  if (entry === null) {
    if (state.checkedMs === null && state.trouble === null && state.lie === null) return <Loading what="the entry" />;
    return (
      <Notice title="The board has no such entry.">
        <p>
          <a href={routeHref({ page: 'board' })}>To the board</a>
        </p>
      </Notice>
    );
  }
  const sentence = entrySentence(entry, (peer) => peerWords(peer, store.nameOf(peer)));
  return (
    <>
      <p className="crumbs">
        <a href={routeHref({ page: 'board' })}>Board</a>
      </p>
      <PageTitle aside={<span className={`kind kind-${entry.kind}`}>{kindNames[entry.kind]}</span>}>
        <bdi>{sentence}</bdi>
      </PageTitle>
      <dl className="facts">
        <div>
          <dt>Author</dt>
          <dd>
            <PeerName peer={entry.author} />
          </dd>
        </div>
        <div>
          <dt>Signed at, by the author’s clock</dt>
          <dd>
            <Moment ms={entry.createdMs} nowMs={nowMs} />
          </dd>
        </div>
        <div>
          <dt>Place in the log</dt>
          <dd className="numeric">{formatCount(entry.index)}</dd>
        </div>
        <TaskLink entry={entry} />
      </dl>
      <Receipt entry={entry} />
      <section className="panel" aria-labelledby="body-title">
        <h2 id="body-title">What it says</h2>
        <BodyTree body={entry.body} nowMs={nowMs} />
      </section>
      <RawBytes entry={entry} />
    </>
  );
}

function TaskLink({ entry }: { readonly entry: AnyBoardEntry }) {
  const id = entry.kind === 'task' ? entry.id : 'task' in entry.body ? entry.body.task : null;
  if (id === null) return null;
  return (
    <div>
      <dt>Belongs to</dt>
      <dd>
        <a href={routeHref({ page: 'task', id })}>a learning task</a>
      </dd>
    </div>
  );
}

function Receipt({ entry }: { readonly entry: AnyBoardEntry }) {
  const store = useBoardStore();
  const [receipt, setReceipt] = useState<FetchedReceipt | null>(null);
  const [isBusy, setIsBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const fetchIt = async () => {
    setIsBusy(true);
    setProblem(null);
    try {
      setReceipt(await store.receipt(entry.index));
    } catch (error) {
      setProblem(error instanceof Error ? error.message : 'There is no receipt.');
    } finally {
      setIsBusy(false);
    }
  };
  const name = `receipt-${entry.index}-${entry.id.slice(0, 12)}`;
  return (
    <section className="panel" aria-labelledby="receipt-title">
      <h2 id="receipt-title">Receipt</h2>
      <p className="quiet">
        Proves to anybody that this entry is on the board, without the board and without this page:{' '}
        <code>pulsemesh board verify</code>, or “Check a receipt” on the page Board.
      </p>
      <div className="form-actions">
        <button type="button" className="button" disabled={isBusy} onClick={() => void fetchIt()}>
          {receipt === null ? 'Fetch and verify' : 'Verify again'}
        </button>
        {receipt === null ? null : (
          <>
            <button
              type="button"
              className="button-quiet"
              onClick={() => saveFile(`${name}.tlog-proof`, receipt.bytes, 'text/plain')}
            >
              Download receipt
            </button>
            <button
              type="button"
              className="button-quiet"
              onClick={() => saveFile(`${name}.tlog-proof.entry`, entry.leaf, 'application/octet-stream')}
            >
              Download entry
            </button>
          </>
        )}
      </div>
      {problem === null ? null : (
        <p className="problem" role="alert">
          {problem}
        </p>
      )}
      {receipt === null ? null : <ReceiptResult verdict={receipt.verdict} />}
      {receipt?.from === 'copy' ? (
        <p className="hint">The board was out of reach: this receipt is made from what this browser has read of it.</p>
      ) : null}
    </section>
  );
}

/** Bytes of an entry that are shown; the file has all. */
const bytesShownMax = 2_048;

function RawBytes({ entry }: { readonly entry: AnyBoardEntry }) {
  return (
    <details className="panel raw">
      <summary>Raw bytes ({bytesWords(entry.leaf.length)})</summary>
      <p className="quiet">
        Deterministic CBOR, as received: the body and the author’s signature. Its id:{' '}
        <bdi className="id">{entry.id}</bdi>
      </p>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by keyboard */}
      <section tabIndex={0} aria-label="Raw bytes, hexadecimal">
        <pre>{hexDump(entry.leaf.subarray(0, bytesShownMax))}</pre>
      </section>
      {entry.leaf.length > bytesShownMax ? <p className="hint">The first {bytesWords(bytesShownMax)}.</p> : null}
      <button
        type="button"
        className="button-quiet"
        onClick={() => saveFile(`entry-${entry.index}.cbor`, entry.leaf, 'application/octet-stream')}
      >
        Download the bytes
      </button>
    </details>
  );
}

function hexDump(bytes: Uint8Array): string {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const row = [...bytes.subarray(at, at + 16)].map((byte) => byte.toString(16).padStart(2, '0'));
    lines.push(`${at.toString(16).padStart(4, '0')}  ${row.join(' ')}`);
  }
  return lines.join('\n');
}
