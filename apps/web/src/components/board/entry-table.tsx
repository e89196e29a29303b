import type { AnyBoardEntry } from '@pulsemesh/board';
import { entrySentence, kindNames, peerWords } from '../../board/entry-words.ts';
import { useBoardStore } from '../../board/use-board.ts';
import { formatCount } from '../../format.ts';
import { routeHref } from '../../state/route.ts';
import { Moment } from '../small.tsx';
import { PeerName } from './peer-name.tsx';

/** Entries as rows, in the order given. */
export function EntryTable(props: {
  readonly caption: string;
  readonly entries: readonly AnyBoardEntry[];
  readonly nowMs: number;
}) {
  const store = useBoardStore();
  const nameOf = (peer: string) => peerWords(peer, store.nameOf(peer));
  return (
    <div className="table-frame">
      <table className="table table-stack entry-table">
        <caption className="visually-hidden">{props.caption}</caption>
        <thead>
          <tr>
            <th scope="col">Place</th>
            <th scope="col">Kind</th>
            <th scope="col">Says</th>
            <th scope="col">Author</th>
            <th scope="col">Signed at</th>
          </tr>
        </thead>
        <tbody>
          {props.entries.map((entry) => (
            <tr key={entry.id}>
              <td className="numeric entry-place">{formatCount(entry.index)}</td>
              <td>
                <span className={`kind kind-${entry.kind}`}>{kindNames[entry.kind]}</span>
              </td>
              <th scope="row">
                <a href={routeHref({ page: 'entry', id: entry.id })}>
                  <bdi>{entrySentence(entry, nameOf)}</bdi>
                </a>
              </th>
              <td data-label="Author">
                <PeerName peer={entry.author} />
              </td>
              <td data-label="Signed at">
                <Moment ms={entry.createdMs} nowMs={props.nowMs} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
