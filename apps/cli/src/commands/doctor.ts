import { createSystemClock, createSystemRandom, silentLogger, silentMeter } from '@pulsemesh/base';
import { version } from '@pulsemesh/node';
import type { Command } from 'commander';
import { exitCodes, type Output } from '../output.ts';
import { parseSeconds } from '../parse.ts';
import { parsePeer } from './identity/place.ts';

interface DoctorFlags {
  readonly proxy?: string;
  readonly pac?: string;
  readonly proxyCredentials?: string;
  readonly ca?: readonly string[];
  readonly peer?: string;
  readonly wait: number;
  readonly json?: boolean;
}

/** `pulsemesh doctor`: why this machine does not reach a server, or how well it does. */
export function addDoctor(program: Command, output: Output, setExitCode: (code: number) => void): void {
  program
    .command('doctor')
    .summary('says what stands between this machine and a server, and what could be changed')
    .description(
      'Tries each layer (name, TCP, proxy, TLS and whose certificate, ALPN, Upgrade, buffering, body and idle limits, clock) and\n' +
        'each transport, and says in a sentence what is blocked, by whom, and what an administrator could change.\n' +
        'Exit code 0 when something passes, 1 when nothing does.',
    )
    .argument('<url>', 'the server, as https://host[:port]')
    .option('--proxy <url>', 'http://[user:password@]host:port (default: HTTPS_PROXY, ALL_PROXY and NO_PROXY)')
    .option('--pac <file or url>', 'a PAC file instead')
    .option('--proxy-credentials <file>', 'first line user:password, for a proxy whose URL has none')
    .option('--ca <file...>', 'further CA certificates to trust (PEM), such as that of an inspecting proxy')
    .option('--peer <id>', 'the server’s peer id, to be sure that it is the one meant')
    .option('--wait <seconds>', 'the longest wait that is tried', parseSeconds, 10)
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      `
Examples:
  $ pulsemesh doctor https://relay.example.org
  $ pulsemesh doctor https://relay.example.org --proxy http://proxy.hospital:3128 --proxy-credentials proxy.txt
  $ pulsemesh doctor https://relay.example.org --ca hospital-inspection.pem --json`,
    )
    .action(async (url: string, flags: DoctorFlags) => {
      const { doctorLines, runDoctor } = await import('@pulsemesh/link/doctor');
      const clock = createSystemClock();
      const dependencies = { clock, random: createSystemRandom(), logger: silentLogger, meter: silentMeter };
      const report = await runDoctor({ url, ...doctorSettings(flags) }, dependencies);
      if (flags.json) output.out(JSON.stringify(report, null, 2));
      else for (const line of doctorLines(report)) output.out(line);
      setExitCode(report.transports.some((one) => one.ok) ? exitCodes.done : exitCodes.failed);
    });
}

function doctorSettings(flags: DoctorFlags) {
  return {
    software: `pulsemesh/${version} doctor`,
    idleMsMax: flags.wait * 1000,
    ...(flags.proxy === undefined ? {} : { proxy: { kind: 'fixed', url: flags.proxy } as const }),
    ...(flags.pac === undefined ? {} : { proxy: { kind: 'pac', source: flags.pac } as const }),
    ...(flags.proxyCredentials === undefined ? {} : { proxyCredentialsFile: flags.proxyCredentials }),
    ...(flags.ca === undefined ? {} : { trust: { caFiles: flags.ca } }),
    ...(flags.peer === undefined ? {} : { server: parsePeer(flags.peer) }),
  };
}
