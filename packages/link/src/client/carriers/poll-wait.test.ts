import { describe, expect, it } from 'vitest';
import { PollWait, pollWaitMsMax, pollWaitMsStart } from './poll-wait.ts';

describe('the wait of a poll', () => {
  it('halves when cut, or takes half of the time after which it was cut', () => {
    const wait = new PollWait(pollWaitMsStart);
    wait.cut(25_000);
    expect(wait.ms).toBe(12_500);
    wait.cut(150);
    expect(wait.ms).toBe(75);
  });

  it('ends at no wait at all, and stays there', () => {
    const wait = new PollWait(100);
    wait.cut(60);
    expect(wait.ms).toBe(0);
    for (let poll = 0; poll < 100; poll += 1) wait.completed();
    expect(wait.ms).toBe(0);
  });

  it('grows again slowly while polls end in order, and more slowly after each cut', () => {
    const wait = new PollWait(pollWaitMsStart);
    wait.cut(10_000);
    let polls = 0;
    while (wait.ms === 5_000) {
      wait.completed();
      polls += 1;
    }
    expect(polls).toBe(16);
    wait.cut(7_500);
    const afterMs = wait.ms;
    for (polls = 0; wait.ms === afterMs; polls += 1) wait.completed();
    expect(polls).toBe(32);
  });

  it('never asks for more than the server grants', () => {
    expect(new PollWait(10 * pollWaitMsMax).ms).toBe(pollWaitMsMax);
    const wait = new PollWait(pollWaitMsStart);
    for (let poll = 0; poll < 10_000; poll += 1) wait.completed();
    expect(wait.ms).toBe(pollWaitMsStart);
  });
});
