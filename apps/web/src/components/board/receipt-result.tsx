import { bytesWords, entrySentence, kindNames, peerWords, refusalWords } from '../../board/entry-words.ts';
import type { ReceiptVerdict } from '../../board/messages.ts';
import { useBoardStore } from '../../board/use-board.ts';
import { formatCount } from '../../format.ts';
import { useSecond } from '../../state/hooks.ts';
import { routeHref } from '../../state/route.ts';
import { Moment } from '../small.tsx';

/** What checking a receipt came to, step by step. */
export function ReceiptResult({ verdict }: { readonly verdict: ReceiptVerdict }) {
  switch (verdict.kind) {
    case 'genuine':
      return <Genuine verdict={verdict} />;
    case 'entry-missing':
      return (
        <div className="receipt is-open" role="status">
          <p className="receipt-title">The entry itself is needed.</p>
          <p>
            The receipt is of place {formatCount(verdict.index)}, which this browser has no entry of. Give the entry’s
            file, too (<code>….entry</code> beside the receipt).
          </p>
        </div>
      );
    case 'refused':
      return (
        <div className="receipt is-bad" role="alert">
          <p className="receipt-title">This receipt proves nothing.</p>
          <p>{refusalWords(verdict.reason)}</p>
        </div>
      );
  }
}

type GenuineVerdict = Extract<ReceiptVerdict, { readonly kind: 'genuine' }>;

function Genuine({ verdict }: { readonly verdict: GenuineVerdict }) {
  const nowMs = useSecond();
  const store = useBoardStore();
  const { index, size, origin, cosigners, entry, heard } = verdict;
  const isBad = heard === 'contradiction';
  const nameOf = (peer: string) => peerWords(peer, store.nameOf(peer));
  return (
    <div className={isBad ? 'receipt is-bad' : 'receipt is-good'} role={isBad ? 'alert' : 'status'}>
      <p className="receipt-title">
        {isBad ? 'Genuine, and it contradicts what the board shows here.' : 'The receipt is genuine.'}
      </p>
      <ul className="checks">
        <li>
          {entry === null ? (
            'What it is of cannot be read as an entry by this page.'
          ) : (
            <>
              Of:{' '}
              {store.entry(entry.id) === null ? (
                kindNames[entry.kind]
              ) : (
                <a href={routeHref({ page: 'entry', id: entry.id })}>{kindNames[entry.kind]}</a>
              )}
              , <bdi>{entrySentence(entry, nameOf)}</bdi>, signed by <bdi>{nameOf(entry.author)}</bdi> (
              {bytesWords(entry.leaf.length)})
            </>
          )}
        </li>
        <li>
          Included at place {formatCount(index)} of {formatCount(size)} entries
        </li>
        <li>
          Signed by the board <bdi>{origin}</bdi>
        </li>
        {cosigners.length === 0 ? <li>No witness countersigned, and none is asked for</li> : null}
        {cosigners.map(({ name, atMs }) => (
          <li key={name}>
            Countersigned by <bdi>{name}</bdi>, <Moment ms={atMs} nowMs={nowMs} />
          </li>
        ))}
        <li>{heardWords[heard]}</li>
      </ul>
    </div>
  );
}

const heardWords: Readonly<Record<GenuineVerdict['heard'], string>> = {
  known: 'Fits the log that this browser has read',
  ahead: 'Newer than what this browser has read: it is compared as soon as the board shows as much',
  'not-ours': 'Of another board than this page follows',
  contradiction: 'The board signed this and something else: see the evidence above',
};
