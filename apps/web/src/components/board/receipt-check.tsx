import { type DragEvent, useId, useState } from 'react';
import type { ReceiptVerdict } from '../../board/messages.ts';
import { useBoardStore } from '../../board/use-board.ts';
import { ReceiptResult } from './receipt-result.tsx';

/** Bytes of a file that is taken for a receipt or an entry. */
const fileBytesMax = 256 * 1024;

/** Checks receipts from elsewhere: dropped, chosen or pasted. Nothing is sent anywhere. */
export function ReceiptCheck() {
  const store = useBoardStore();
  const [verdict, setVerdict] = useState<ReceiptVerdict | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [isOver, setIsOver] = useState(false);
  const [fileId, hintId] = [useId(), useId()];

  const check = async (receipt: Uint8Array, leaf: Uint8Array | null) => {
    setProblem(null);
    setVerdict(null);
    try {
      setVerdict(await store.check(receipt, leaf));
    } catch (error) {
      setProblem(error instanceof Error ? error.message : 'It could not be checked.');
    }
  };

  const take = async (files: readonly File[]) => {
    if (files.some((file) => file.size > fileBytesMax)) return setProblem('These files are too large for a receipt.');
    const contents = await Promise.all(files.map(async (file) => new Uint8Array(await file.arrayBuffer())));
    const receipt = contents.find(isReceipt);
    if (receipt === undefined) return setProblem('No receipt is among these files.');
    return check(receipt, contents.find((content) => content !== receipt) ?? null);
  };

  const drop = (event: DragEvent) => {
    event.preventDefault();
    setIsOver(false);
    void take([...event.dataTransfer.files].slice(0, 2));
  };

  return (
    <section className="panel" aria-labelledby="receipt-check-title">
      <h2 id="receipt-check-title">Check a receipt</h2>
      <p className="quiet" id={hintId}>
        Somebody gave you a receipt? This browser checks it with the board’s and the witnesses’ keys; nothing is sent,
        and the board need not be there. With the entry’s own file beside it, it can be newer than what is shown here.
      </p>
      <div className="receipt-ways">
        {/* Dropping is one way of three: the file chooser in it does the same by keyboard. */}
        {/* biome-ignore lint/a11y/noStaticElementInteractions: a place to drop files on; its input is the accessible way */}
        <div
          className={isOver ? 'drop is-over' : 'drop'}
          onDragOver={(event) => {
            event.preventDefault();
            setIsOver(true);
          }}
          onDragLeave={() => setIsOver(false)}
          onDrop={drop}
        >
          <label htmlFor={fileId}>Drop or choose the receipt, and the entry if you have it</label>
          <input
            id={fileId}
            type="file"
            multiple
            aria-describedby={hintId}
            onChange={(event) => void take([...(event.target.files ?? [])].slice(0, 2))}
          />
        </div>
        <PastedReceipt onCheck={(receipt) => void check(receipt, null)} />
      </div>
      {problem === null ? null : (
        <p className="problem" role="alert">
          {problem}
        </p>
      )}
      {verdict === null ? null : <ReceiptResult verdict={verdict} />}
    </section>
  );
}

function PastedReceipt({ onCheck }: { readonly onCheck: (receipt: Uint8Array) => void }) {
  const [pasted, setPasted] = useState('');
  const textId = useId();
  return (
    <form
      className="field"
      onSubmit={(event) => {
        event.preventDefault();
        onCheck(new TextEncoder().encode(pasted.trim().replaceAll('\r\n', '\n').concat('\n')));
      }}
    >
      <label htmlFor={textId}>Or paste its text</label>
      <textarea
        id={textId}
        rows={4}
        spellCheck={false}
        value={pasted}
        maxLength={fileBytesMax}
        placeholder="c2sp.org/tlog-proof@v1 …"
        onChange={(event) => setPasted(event.target.value)}
      />
      <button type="submit" className="button-quiet" disabled={pasted.trim() === ''}>
        Check the text
      </button>
    </form>
  );
}

function isReceipt(bytes: Uint8Array): boolean {
  return new TextDecoder().decode(bytes.subarray(0, 14)) === 'c2sp.org/tlog-';
}
