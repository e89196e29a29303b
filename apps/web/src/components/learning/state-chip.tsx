import type { TaskState } from '@pulsemesh/learning/view';
import { isOpen, stateWords } from '../../learning/task-words.ts';

/** Where a task stands. */
export function StateChip({ state }: { readonly state: TaskState }) {
  const tone = state === 'finished' ? 'chip-good' : isOpen(state) ? 'chip-live' : 'chip-bad';
  return <span className={`chip ${tone}`}>{stateWords[state]}</span>;
}

/** What the verifier in this browser found of a run. */
export function VerdictChip({ isSound, count }: { readonly isSound: boolean; readonly count: number }) {
  if (isSound) return <span className="chip chip-good">verified: nothing found</span>;
  return (
    <span className="chip chip-bad">
      verifier: {count} {count === 1 ? 'finding' : 'findings'}
    </span>
  );
}
