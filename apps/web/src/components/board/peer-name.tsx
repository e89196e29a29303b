import { useBoardStore } from '../../board/use-board.ts';
import { shortId } from '../../format.ts';
import { routeHref } from '../../state/route.ts';

/** A key's holder by its name on the board, beside the end of its id: two can use one name. Leads to the key's history. */
export function PeerName({ peer }: { readonly peer: string }) {
  const name = useBoardStore().nameOf(peer);
  return (
    <a className="peer-name" href={routeHref({ page: 'key', peer })} title={peer}>
      {name === null ? null : <bdi>{name}</bdi>} <span className="quiet-id">{shortId(peer)}</span>
    </a>
  );
}

/** Several, apart by commas. */
export function PeerNames({ peers }: { readonly peers: readonly string[] }) {
  if (peers.length === 0) return <>nobody</>;
  return (
    <>
      {peers.map((peer, index) => (
        <span key={peer}>
          {index === 0 ? '' : ', '}
          <PeerName peer={peer} />
        </span>
      ))}
    </>
  );
}
