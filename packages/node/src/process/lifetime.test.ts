import { EventEmitter } from 'node:events';
import { PassThrough } from 'node:stream';
import { expect, it } from 'vitest';
import { aborted, watchForStop } from './lifetime.ts';

function sources() {
  const emitter = new EventEmitter();
  const stdin = new PassThrough();
  return { emitter, stdin, on: emitter.on.bind(emitter) };
}

it('stops on SIGTERM and SIGINT when it is its own master', () => {
  for (const name of ['SIGTERM', 'SIGINT']) {
    const from = sources();
    const signal = watchForStop(false, from);
    from.emitter.emit(name);
    expect(signal.reason).toBe(name);
  }
});

it('when supervised, leaves Ctrl-C to the supervisor and stops when the supervisor is gone', async () => {
  const from = sources();
  const signal = watchForStop(true, from);
  from.emitter.emit('SIGINT');
  expect(signal.aborted).toBe(false);
  from.stdin.end();
  await aborted(signal);
  expect(signal.reason).toBe('supervisor');
});
