import { describe, expect, it } from 'vitest';
import { eventLines, ledgerLines, serveSettings } from './ledger.ts';

const flags = { host: '127.0.0.1', port: 0, chainId: 5, fund: [`0x${'ab'.repeat(20)}=1000`], data: '/srv/ledger' };

describe('the words of a ledger', () => {
  it('says what a ledger is worth before anything else, and that there may be none', () => {
    const view = { kind: 'embedded', chainId: 5, contract: null, head: '7', finalized: '7', headAgeMs: 1_400 } as const;
    const rest = {
      sealers: [],
      codeHash: null,
      state: 'up',
      words: 'One sealer.',
      symbol: 'units',
      decimals: 0,
    } as const;
    expect(ledgerLines({ ...view, ...rest })).toEqual(expect.arrayContaining(['One sealer.', 'state     up']));
    expect(ledgerLines(null)[0]).toMatch('no ledger');
    expect(eventLines([])).toEqual(['Nothing has happened on the ledger yet.']);
  });

  it('takes who begins with what, and nothing else for it', () => {
    expect(serveSettings(flags).chain).toMatchObject({ chainId: 5, genesis: [{ units: '1000' }] });
    expect(() => serveSettings({ ...flags, fund: ['0xAB=1'] })).toThrow('--fund');
  });
});
