import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseRoute, routeHref } from './route.ts';

describe('routes', () => {
  it('come back from their own address', () => {
    for (const hash of [
      '#/',
      '#/patients/a1',
      '#/alerts',
      '#/alerts/b2',
      '#/people',
      '#/people/new',
      '#/people/c3',
      '#/network',
    ]) {
      expect(routeHref(parseRoute(hash))).toBe(hash);
    }
  });

  it('are never an error, whatever the address says', () => {
    fc.assert(
      fc.property(fc.string(), (hash) => {
        expect(parseRoute(`#/${hash}`).page).toBeTypeOf('string');
      }),
    );
    for (const hash of ['#/x', '#/patients', '#/patients/<b>', '#/alerts/a/b', '#/network/x']) {
      expect(parseRoute(hash)).toEqual({ page: 'unknown' });
    }
  });
});
