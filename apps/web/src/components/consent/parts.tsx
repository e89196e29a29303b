import type { GrantPhase, LedgerView } from '@pulsemesh/node/api';
import { type ReactNode, useId } from 'react';
import type { Act } from '../../consent/use-act.ts';
import { countdownWords, ledgerStates, ledgerWords, phaseWords } from '../../consent/words.ts';
import { formatCount, formatDuration } from '../../format.ts';
import { Moment, Notice } from '../small.tsx';

/** A term and what it is. */
export function Term({ name, children }: { readonly name: string; readonly children: ReactNode }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

/** What went wrong, read out at once. */
export function Problem({ text }: { readonly text: string | null }) {
  if (text === null) return null;
  return (
    <p className="problem" role="alert">
      {text}
    </p>
  );
}

/** A button that says that it works; others wait as long. */
export function ActButton(props: {
  readonly act: Act;
  readonly name: string;
  readonly children: ReactNode;
  readonly busyText: string;
  readonly onPress: () => Promise<void>;
  readonly isQuiet?: boolean;
  readonly isDisabled?: boolean;
  readonly isGrave?: boolean;
}) {
  const isBusy = props.act.busy === props.name;
  const look = props.isQuiet ? 'button-quiet' : 'button';
  return (
    <button
      type="button"
      className={props.isGrave ? `${look} button-grave` : look}
      disabled={props.act.busy !== null || (props.isDisabled ?? false)}
      onClick={() => void props.act.run(props.name, props.onPress)}
    >
      {isBusy ? props.busyText : props.children}
    </button>
  );
}

/** Where a consent stands. */
export function PhaseChip({ phase }: { readonly phase: GrantPhase }) {
  const { name, chip } = phaseWords[phase];
  return <span className={`chip ${chip}`}>{name}</span>;
}

/** A clock that runs down, with the moment at which it ends. */
export function PhaseClock(props: {
  readonly phase: GrantPhase;
  readonly deadlineMs: number | null;
  readonly nowMs: number;
}) {
  const { phase, deadlineMs, nowMs } = props;
  const { clock } = phaseWords[phase];
  if (deadlineMs === null || clock === '') return null;
  if (deadlineMs <= nowMs) {
    return (
      <p className="clock is-over">
        {clock}: time is over since <Moment ms={deadlineMs} nowMs={nowMs} />.
      </p>
    );
  }
  return (
    <p className="clock">
      {clock} <strong className="numeric">{countdownWords(deadlineMs - nowMs)}</strong>, until{' '}
      <Moment ms={deadlineMs} nowMs={nowMs} />.
    </p>
  );
}

/** What the ledger is worth, and whether it answers. Loud where nothing can be relied on. */
export function LedgerNote({ ledger }: { readonly ledger: LedgerView | null }) {
  if (ledger === null) {
    return (
      <Notice title="This node follows no ledger.">
        <p>Nothing can be offered, paid or handed out here. The operator can set one up: see the guide to consent.</p>
      </Notice>
    );
  }
  const state = ledgerStates[ledger.state];
  const where = ledger.kind === 'board' ? 'entry' : 'block';
  if (ledger.state !== 'up') {
    return (
      <Notice title={`The ledger ${state.name}.`} tone="problem">
        <p>{state.text}</p>
      </Notice>
    );
  }
  return (
    <div className="board-fresh is-good">
      <span className="connection-dot" aria-hidden="true" />
      <p>
        {ledgerWords(ledger)} {ledger.words === '' ? null : <span>{ledger.words} </span>}
        Now at {where} {formatCount(Number(ledger.head))}, {formatDuration(ledger.headAgeMs)} old when it was looked at.
      </p>
    </div>
  );
}

/** A line for typing, with what is wrong with it. */
export function Line(props: {
  readonly label: string;
  readonly name: string;
  readonly value: string;
  readonly onChange: (value: string) => void;
  readonly charsMax: number;
  readonly hint?: string;
  readonly error?: string | undefined;
  readonly rows?: number;
  readonly type?: 'text' | 'date' | 'number' | 'datetime-local';
}) {
  const id = useId();
  const hintId = props.hint === undefined ? '' : `${id}-hint`;
  const errorId = props.error === undefined ? '' : `${id}-error`;
  const shared = {
    id,
    name: props.name,
    value: props.value,
    maxLength: props.charsMax,
    autoComplete: 'off',
    'aria-invalid': props.error !== undefined,
    'aria-describedby': `${hintId} ${errorId}`.trim() || undefined,
  };
  return (
    <div className="field">
      <label htmlFor={id}>{props.label}</label>
      {props.rows === undefined ? (
        <input {...shared} type={props.type ?? 'text'} onChange={(event) => props.onChange(event.target.value)} />
      ) : (
        <textarea {...shared} rows={props.rows} onChange={(event) => props.onChange(event.target.value)} />
      )}
      {props.hint === undefined ? null : (
        <p className="hint" id={hintId}>
          {props.hint}
        </p>
      )}
      {props.error === undefined ? null : (
        <p className="problem" id={errorId}>
          {props.error}
        </p>
      )}
    </div>
  );
}
