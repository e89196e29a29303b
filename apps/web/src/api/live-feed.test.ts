import { VirtualClock } from '@pulsemesh/base/testing';
import type { LiveEvent } from '@pulsemesh/node/api';
import { describe, expect, it } from 'vitest';
import { FakeEventSource, overviewOf } from '../testing.ts';
import { type ConnectionState, LiveFeed, reconnectDelayFirstMs, reconnectDelayMaxMs } from './live-feed.ts';

function start() {
  const clock = new VirtualClock();
  const sources: FakeEventSource[] = [];
  const states: ConnectionState[] = [];
  const events: LiveEvent[] = [];
  const counts = { opened: 0, bad: 0 };
  const feed = new LiveFeed(
    '/live',
    {
      onOpen: () => {
        counts.opened += 1;
      },
      onEvent: (event) => void events.push(event),
      onState: (state) => void states.push(state),
      onBadEvent: () => {
        counts.bad += 1;
      },
    },
    {
      clock,
      openEventSource: (url) => {
        const source = new FakeEventSource(url);
        sources.push(source);
        return source;
      },
    },
  );
  const newest = () => sources.at(-1) as FakeEventSource;
  return { clock, feed, sources, states, events, counts, newest };
}

describe('the live feed', () => {
  it('hands on events, named or not, and leaves out kinds it does not know', () => {
    const { newest, events, counts } = start();
    const overview = { type: 'overview', overview: overviewOf() };
    newest().emit('open');
    newest().emit('overview', JSON.stringify(overview));
    newest().emit('message', JSON.stringify(overview));
    newest().emit('message', JSON.stringify({ type: 'of tomorrow' }));
    expect(events).toEqual([overview, overview]);
    expect(counts).toEqual({ opened: 1, bad: 0 });
  });

  it('counts what it cannot read and goes on', () => {
    const { newest, events, counts } = start();
    for (const data of [
      '{',
      '[]',
      '{"type":"readings"}',
      '{"type":"alert","alert":{"alertId":5}}',
      undefined,
      'x'.repeat(4_000_001),
    ]) {
      newest().emit('message', data);
    }
    expect(counts.bad).toBe(6);
    expect(events).toEqual([]);
  });

  it('connects again with growing waits, says offline after the third failure, and live when it is back', async () => {
    const { clock, newest, sources, states, counts } = start();
    newest().emit('open');
    for (let delayMs = reconnectDelayFirstMs, round = 1; round <= 8; round += 1) {
      newest().emit('error');
      expect(newest().isClosed).toBe(true);
      await clock.advance(delayMs - 1);
      expect(sources).toHaveLength(round);
      await clock.advance(1);
      expect(sources).toHaveLength(round + 1);
      delayMs = Math.min(reconnectDelayMaxMs, delayMs * 2);
    }
    newest().emit('open');
    expect(states.map(({ kind }) => kind)).toEqual([
      ...['connecting', 'live', 'reconnecting', 'reconnecting'],
      ...['offline', 'offline', 'offline', 'offline', 'offline', 'offline', 'live'],
    ]);
    expect(counts.opened).toBe(2);
  });

  it('connects at once when asked to, and not at all after it was stopped', async () => {
    const { clock, feed, newest, sources } = start();
    newest().emit('error');
    feed.retryNow();
    expect(sources).toHaveLength(2);
    newest().emit('error');
    feed.stop();
    feed.retryNow();
    await clock.advance(60_000);
    expect(sources).toHaveLength(2);
    expect(newest().isClosed).toBe(true);
  });
});
