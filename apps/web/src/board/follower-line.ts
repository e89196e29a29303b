import { Condition } from '@pulsemesh/base/errors';
import type { Answers, FromFollower, Line, News, Question, ToFollower } from './messages.ts';

/** The follower could not do what it was asked; `code` is its own. */
export class FollowerError extends Condition {
  constructor(code: string, message: string) {
    super(code, message);
    this.name = 'FollowerError';
  }
}

/** Questions that wait for their answer at one time; further ones are refused. */
export const questionsMax = 64;

/** Questions and answers over a line; news come besides. The owner closes it. */
export class FollowerLine {
  readonly #line: Line<ToFollower, FromFollower>;
  readonly #waiting = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>();
  #nextId = 1;
  #isClosed = false;

  constructor(line: Line<ToFollower, FromFollower>, onNews: (news: News) => void) {
    this.#line = line;
    line.onMessage((message) => {
      if (this.#isClosed) return;
      if ('news' in message) return onNews(message);
      const waiting = this.#waiting.get(message.id);
      this.#waiting.delete(message.id);
      if ('error' in message) waiting?.reject(new FollowerError(message.error.code, message.error.message));
      // The follower answers each question with its own kind of answer.
      else waiting?.resolve(message.value as never);
    });
  }

  /** @throws {FollowerError} */
  ask<Asked extends Question>(question: Asked): Promise<Answers[Asked['ask']]> {
    if (this.#isClosed) return Promise.reject(new FollowerError('closed', 'The board was closed.'));
    if (this.#waiting.size >= questionsMax)
      return Promise.reject(new FollowerError('busy', 'Too much is asked at once.'));
    const id = this.#nextId;
    this.#nextId += 1;
    const { promise, resolve, reject } = Promise.withResolvers<Answers[Asked['ask']]>();
    this.#waiting.set(id, { resolve, reject });
    this.#line.post({ id, ...question });
    return promise;
  }

  /** Ends the follower; what waits is rejected. May be called twice. */
  close(): void {
    this.#isClosed = true;
    this.#line.close();
    for (const { reject } of this.#waiting.values()) reject(new FollowerError('closed', 'The board was closed.'));
    this.#waiting.clear();
  }
}
