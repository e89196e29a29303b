import { errorCode, errorMessage, unreachable } from '@pulsemesh/base';
import type { Clock } from '@pulsemesh/base/clock';
import type { BoardFetch } from '@pulsemesh/board/client';
import { BoardFollower } from './board-follower.ts';
import type { Answers, FromFollower, Line, ToFollower } from './messages.ts';

export interface ServeDependencies {
  readonly clock: Clock;
  readonly fetch: typeof fetch;
}

/** Answers the page's questions at the other end of `line`, one after the other; the first has to be `open`. */
export function serveFollower(line: Line<FromFollower, ToFollower>, dependencies: ServeDependencies): void {
  let follower: BoardFollower | null = null;
  let last: Promise<unknown> = Promise.resolve();

  const answer = async (question: ToFollower): Promise<Answers[keyof Answers]> => {
    if (question.ask === 'open') {
      const { place, url, token, remembered } = question;
      const fetch = fetchWithToken(token, dependencies.fetch);
      const tell = (news: FromFollower) => line.post(news);
      follower = await BoardFollower.open({ place, url, remembered }, { clock: dependencies.clock, fetch, tell });
      return null;
    }
    if (follower === null) throw new Error('asked before it was opened');
    switch (question.ask) {
      case 'refresh':
        return follower.refresh();
      case 'tasks':
        return follower.tasks(question.nowMs);
      case 'receipt':
        return follower.receipt(question.index);
      case 'check':
        return follower.check(question.receipt, question.leaf);
      default:
        return unreachable(question);
    }
  };

  line.onMessage((question) => {
    last = last
      .then(() => answer(question))
      .then(
        (value) => line.post({ id: question.id, value }),
        (error) => line.post({ id: question.id, error: { code: errorCode(error), message: errorMessage(error) } }),
      );
  });
}

/** Requests that carry the page's key, to the page's own server alone. */
function fetchWithToken(token: string, fetch: ServeDependencies['fetch']): BoardFetch {
  return async (url, { method, signal }) => {
    const headers = { authorization: `Bearer ${token}` };
    const response = await fetch(url, { method, signal, headers, redirect: 'error' });
    return { status: response.status, bytes: (bytesMax) => readUpTo(response, bytesMax) };
  };
}

async function readUpTo(response: Response, bytesMax: number): Promise<Uint8Array> {
  const reader = response.body?.getReader();
  const parts: Uint8Array[] = [];
  let length = 0;
  for (let part = await reader?.read(); part?.value !== undefined; part = await reader?.read()) {
    length += part.value.length;
    if (length > bytesMax) {
      await reader?.cancel();
      throw new RangeError(`the answer is longer than ${bytesMax} bytes`);
    }
    parts.push(part.value);
  }
  const body = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    body.set(part, at);
    at += part.length;
  }
  return body;
}
