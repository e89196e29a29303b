import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import { describe, expect, it } from 'vitest';
import { createPacRunner, pacLimits } from './pac.ts';

const target = { host: 'relay.example', port: 443, isTls: true };

function runnerOf(script: string, resolve = async (_name: string): Promise<string | null> => null) {
  const file = join(mkdtempSync(join(tmpdir(), 'pulsemesh-pac-')), 'proxy.pac');
  writeFileSync(file, script);
  return createPacRunner(file, { clock: new VirtualClock(), logger: silentLogger, resolve });
}

const find = (body: string) => `function FindProxyForURL(url, host) { ${body} }`;

describe('a PAC file', () => {
  it.each([
    ['return "PROXY a:1"', 'PROXY a:1'],
    ['return url', 'https://relay.example:443/'],
    ['return isPlainHostName(host) + " " + dnsDomainLevels(host)', 'false 1'],
    ['return shExpMatch(host, "*.example") ? "PROXY b:2" : "DIRECT"', 'PROXY b:2'],
    ['return localHostOrDomainIs(host, "relay.example") ? "yes" : "no"', 'yes'],
    ['return isInNet("10.1.2.3", "10.0.0.0", "255.0.0.0") + ""', 'true'],
    ['return isInNet("11.1.2.3", "10.0.0.0", "255.0.0.0") + ""', 'false'],
    ['return typeof require + typeof process + typeof fetch', 'undefinedundefinedundefined'],
    ['let a = [1, 2]; return a.map((x) => x + 1).join()', '2,3'],
    ['return null', ''],
  ])('that says %s answers %j', async (body, expected) => {
    expect(await runnerOf(find(body)).findProxy(target)).toBe(expected);
  });

  it('gets the names it asks for resolved, one after the other', async () => {
    const asked: string[] = [];
    const runner = runnerOf(
      find(`
        var first = dnsResolve('one.example');
        if (first.indexOf('10.') === 0 && isResolvable('two.example') && !isResolvable('none.example'))
          return 'PROXY ' + first + ':1';
        return 'DIRECT';`),
      async (name) => {
        asked.push(name);
        return { 'one.example': '10.0.0.1', 'two.example': '10.0.0.2' }[name] ?? null;
      },
    );
    expect(await runner.findProxy(target)).toBe('PROXY 10.0.0.1:1');
    expect(asked).toEqual(['one.example', 'two.example', 'none.example']);
  });

  it.each([
    ['never ends', 'while (true) {}'],
    ['takes all memory', 'var a = []; while (true) a.push(new Array(1000).fill("x".repeat(1000)))'],
    ['recurses without end', 'return (function f() { return f() + 1; })()'],
    ['fails', 'throw new Error("no")'],
    ['answers no text', 'return 7'],
    [
      'asks for ever more names',
      'for (var i = 0; ; i++) if (dnsResolve("n" + i + ".example") === null) dnsResolve(Math.random() + ".x"); ',
    ],
  ])('that %s is refused', async (_what, body) => {
    await expect(runnerOf(find(body)).findProxy(target)).rejects.toMatchObject({ code: 'proxy-config' });
  });

  it('is refused when it is too long, no script, or not there', async () => {
    await expect(runnerOf('x'.repeat(pacLimits.fileBytesMax + 1)).findProxy(target)).rejects.toThrow('longer');
    await expect(runnerOf('<html>').findProxy(target)).rejects.toThrow('cannot be run');
    const missing = createPacRunner('/nowhere/proxy.pac', { clock: new VirtualClock(), logger: silentLogger });
    await expect(missing.findProxy(target)).rejects.toThrow('cannot be had (ENOENT)');
  });
});
