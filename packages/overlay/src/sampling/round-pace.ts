import { peerSamplingLimits as limits, type PeerSamplingOptions } from './options.ts';

/** How often peer sampling makes its rounds: in haste while the view fills up, slowly once there is no news. */
export class RoundPace {
  readonly #options: PeerSamplingOptions;
  #fastRoundsLeft: number;
  #stillRounds = 0;
  /** Answered rounds in sequence after which a short view held no more peers than before, and how many that were at most. */
  #vainRounds = 0;
  #peersMost = 0;

  constructor(options: PeerSamplingOptions) {
    this.#options = options;
    this.#fastRoundsLeft = options.fastRoundsMax;
  }

  /** A round is over, in which somebody answered or nobody did; `viewSize` peers are known now. */
  ended(viewSize: number, isAnswered: boolean): void {
    if (viewSize > this.#peersMost) this.#vainRounds = 0;
    else if (isAnswered) this.#vainRounds += 1;
    this.#peersMost = Math.max(this.#peersMost, viewSize);
  }

  /** The time to the next round, milliseconds, without jitter: each message may cost a connection, and a view of the living needs little news. */
  pauseMs(isShort: boolean): number {
    const { roundMs, stillRoundMs, stillAfterRounds, fastRoundMs } = this.#options;
    // Where asking around brings nobody new there is nobody else, perhaps: all of a small network fits in half a view.
    const hasteMs = fastRoundMs * 2 ** Math.max(0, this.#vainRounds + 1 - limits.vainRoundsMax);
    const isSmall = hasteMs >= roundMs;
    if (isShort && !isSmall && this.#fastRoundsLeft > 0) {
      this.#fastRoundsLeft -= 1;
      return hasteMs;
    }
    this.#stillRounds = isShort && !isSmall ? 0 : this.#stillRounds + 1;
    const doublings = Math.max(0, this.#stillRounds - stillAfterRounds);
    return Math.max(roundMs, Math.min(stillRoundMs, roundMs * 2 ** Math.min(doublings, 10)));
  }

  /** Somebody came while the view is short: some more rounds are made in haste. */
  quicken(): void {
    this.#vainRounds = 0;
    this.#fastRoundsLeft = Math.max(this.#fastRoundsLeft, limits.fastRoundsAgain);
  }

  /** Something happened: one or two of a round come and go; with more the view is worth renewing as at first. */
  stir(): void {
    this.#stillRounds = Math.max(0, this.#stillRounds - this.#options.stillAfterRounds / 3);
  }

  /** A peer of the view is gone: there may be others in its place. */
  lost(): void {
    this.#vainRounds = 0;
    this.#peersMost = 0;
  }
}
