import type { ReactNode } from 'react';
import type { BoardState } from '../../board/board-store.ts';
import { saveFile } from '../../board/save-file.ts';
import { useBoardState, useBoardStore } from '../../board/use-board.ts';
import { formatCount, formatDuration } from '../../format.ts';
import { useSecond } from '../../state/hooks.ts';
import { Loading, Moment, Notice } from '../small.tsx';

/** Around all that comes from the board: how fresh it is and who vouches for it, or why there is nothing, and loudly where it lied. */
export function BoardFrame(props: {
  readonly children: (state: BoardState) => ReactNode;
  /** True: once all is verified, how fresh it is stands at the end: the page begins with its own title. */
  readonly hasOwnTitle?: boolean;
}) {
  const { children, hasOwnTitle = false } = props;
  const state = useBoardState();
  const store = useBoardStore();
  switch (state.phase.kind) {
    case 'loading':
      return <Loading what="the board" />;
    case 'none':
      return <NoBoard />;
    case 'failed':
      return (
        <Notice title="The board cannot be shown." tone="problem">
          <p>{state.phase.text}</p>
          <button type="button" className="button-quiet" onClick={() => void store.look()}>
            Try again
          </button>
        </Notice>
      );
    case 'other':
      return <OtherBoard before={state.phase.before} now={state.phase.now} onTrust={() => void store.trustOther()} />;
    case 'open':
      return (
        <>
          <Lie state={state} />
          <Behind state={state} />
          {hasOwnTitle && isFresh(state) ? null : <Freshness state={state} />}
          {children(state)}
          {hasOwnTitle && isFresh(state) ? <Freshness state={state} /> : null}
        </>
      );
  }
}

function isFresh({ head, trouble }: BoardState): boolean {
  return head !== null && trouble === null;
}

function NoBoard() {
  return (
    <Notice title="This gateway shows no board.">
      <p>
        Its operator names one with <code>http.board</code> in the gateway’s configuration: the board’s address, its
        key, and its witnesses’ keys.
      </p>
    </Notice>
  );
}

function OtherBoard(props: {
  readonly before: { readonly key: string; readonly witnesses: readonly string[]; readonly quorum: number };
  readonly now: { readonly key: string; readonly witnesses: readonly string[]; readonly quorum: number };
  readonly onTrust: () => void;
}) {
  const { before, now, onTrust } = props;
  const isOtherKey = before.key !== now.key;
  return (
    <Notice
      title={
        isOtherKey
          ? 'This gateway names another board than before.'
          : 'This gateway asks for other witnesses than before.'
      }
      tone="problem"
    >
      <p>
        Ask its operator whether that is meant. Compare the keys with the ones you were given by other ways than this
        page; whoever changes them can show you another board.
      </p>
      <dl className="stack-facts">
        <dt>Before</dt>
        <dd className="id">{policyText(before)}</dd>
        <dt>Now</dt>
        <dd className="id">{policyText(now)}</dd>
      </dl>
      <button type="button" className="button" onClick={onTrust}>
        {isOtherKey ? 'Follow the new board' : 'Accept the new witnesses'}
      </button>
    </Notice>
  );
}

function policyText(place: { readonly key: string; readonly witnesses: readonly string[]; readonly quorum: number }) {
  return `${place.key}; ${place.quorum} of ${place.witnesses.length} witnesses${place.witnesses.map((key) => `; ${key}`).join('')}`;
}

function Lie({ state }: { readonly state: BoardState }) {
  const { lie } = state;
  if (lie === null) return null;
  const save = () => saveFile('board-evidence.json', lie.file, 'application/json');
  return (
    <Notice title="This board showed something else before. Do not believe it." tone="problem">
      <p>In short: {lie.text}. Both statements carry the board’s own signature, so it cannot deny them.</p>
      <p>
        Keep the evidence and give it to others who use this board. They check it with{' '}
        <code>pulsemesh board verify-evidence</code>. Nothing new is read from this board; what is below was read
        before, or is part of the contradiction.
      </p>
      <button type="button" className="button" onClick={save}>
        Download the evidence
      </button>
    </Notice>
  );
}

function Behind({ state }: { readonly state: BoardState }) {
  const nowMs = useSecond();
  const { behind, head } = state;
  if (behind === null) return null;
  const save = () => saveFile('board-checkpoint.txt', behind.note, 'text/plain');
  return (
    <Notice title="This board showed more before than it shows now." tone="problem">
      <p>
        {behind.seenMs === null ? 'Earlier' : <Moment ms={behind.seenMs} nowMs={nowMs} />} it had{' '}
        {formatCount(behind.size)} entries and was signed so; now it shows {formatCount(head?.size ?? 0)}. A cache in
        between may be behind. If it stays like this, entries were taken back.
      </p>
      <button type="button" className="button-quiet" onClick={save}>
        Download the checkpoint it signed
      </button>
    </Notice>
  );
}

function Freshness({ state }: { readonly state: BoardState }) {
  const nowMs = useSecond();
  const { head, checkedMs, trouble, size, lie, phase } = state;
  if (lie !== null) return null;
  const quorum = phase.kind === 'open' ? phase.place.quorum : 0;
  if (head === null || checkedMs === null) {
    if (trouble !== null) {
      return (
        <Notice title={troubleTitle[trouble]} tone="problem">
          {state.troubleText === null ? null : <p>{state.troubleText}</p>}
          <p>This page goes on trying.</p>
        </Notice>
      );
    }
    return (
      <div className="board-fresh" role="status">
        <span className="connection-dot" aria-hidden="true" />
        Checking signatures in this browser… {size > 0 ? `${formatCount(size)} entries so far` : null}
      </div>
    );
  }
  return (
    <div className={trouble === null ? 'board-fresh is-good' : 'board-fresh is-stale'}>
      <span className="connection-dot" aria-hidden="true" />
      <p>
        {trouble === null ? 'Verified in this browser' : `${troubleTitle[trouble]} Last verified`}{' '}
        {formatDuration(nowMs - checkedMs)} ago: {formatCount(head.size)} entries, signed by the board
        {head.cosigners.length === 0 ? (
          quorum === 0 &&
          '. No witness is asked to countersign: only this browser’s memory guards against a board that shows others something else'
        ) : (
          <>
            {' '}
            and countersigned by{' '}
            {head.cosigners.map(({ name, atMs }, index) => (
              <span key={name}>
                {index === 0 ? '' : ', '}
                <bdi>{name}</bdi> (<Moment ms={atMs} nowMs={nowMs} />)
              </span>
            ))}
            ; {formatCount(quorum)} needed
          </>
        )}
        .
      </p>
    </div>
  );
}

const troubleTitle: Readonly<Record<NonNullable<BoardState['trouble']>, string>> = {
  unreachable: 'The board does not answer.',
  uncosigned: 'Not enough witnesses have countersigned what the board shows.',
  unusable: 'What the board shows cannot be used.',
};
