import { describe, expect, it } from 'vitest';
import { unseenEvents } from './unseen-events.ts';

/** Places as at.place. */
function taken(after: string | null, stream: readonly string[]): readonly string[] {
  const placeOf = (text: string) => {
    const [at = '', place = ''] = text.split('.');
    return { at: BigInt(at), place: Number(place) };
  };
  const isUnseen = unseenEvents(after === null ? null : placeOf(after));
  return stream.filter((text) => isUnseen(placeOf(text)));
}

describe('events that a reader has not taken', () => {
  it('are those behind the last that it took', () => {
    expect(taken(null, ['1.0', '1.1', '4.0'])).toEqual(['1.0', '1.1', '4.0']);
    expect(taken('4.1', ['4.0', '4.1', '4.2', '5.0'])).toEqual(['4.2', '5.0']);
  });

  it('are all that come once final blocks were taken back, though their numbers were there before', () => {
    expect(taken('4.1', ['4.0', '4.1', '7.0', '5.0', '5.1', '7.0'])).toEqual(['7.0', '5.0', '5.1', '7.0']);
    expect(taken('4.1', ['4.0', '4.1', '4.0', '4.1'])).toEqual(['4.0', '4.1']);
    expect(taken(null, ['9.3', '9.3'])).toEqual(['9.3', '9.3']);
  });
});
