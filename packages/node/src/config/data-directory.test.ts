import { describe, expect, it } from 'vitest';
import { dataDirectory } from './data-directory.ts';

const home = '/home/ada';

describe('the data directory', () => {
  it('is what PULSEMESH_DATA says', () => {
    expect(dataDirectory({ platform: 'linux', env: { PULSEMESH_DATA: '/srv/pulse/' }, home })).toBe('/srv/pulse/');
  });

  it('refuses a relative PULSEMESH_DATA, which would depend on where the program is started', () => {
    expect(() => dataDirectory({ platform: 'linux', env: { PULSEMESH_DATA: 'data' }, home })).toThrow(/absolute path/);
  });

  it('follows XDG on Linux and ignores a relative XDG_DATA_HOME', () => {
    expect(dataDirectory({ platform: 'linux', env: { XDG_DATA_HOME: '/x' }, home })).toBe('/x/pulsemesh');
    expect(dataDirectory({ platform: 'linux', env: { XDG_DATA_HOME: 'x' }, home })).toBe(
      '/home/ada/.local/share/pulsemesh',
    );
  });

  it('follows the customs of macOS and Windows', () => {
    expect(dataDirectory({ platform: 'darwin', env: {}, home: '/Users/ada' })).toBe(
      '/Users/ada/Library/Application Support/Pulsemesh',
    );
    expect(dataDirectory({ platform: 'win32', env: { LOCALAPPDATA: 'C:\\L' }, home: 'C:\\Users\\ada' })).toBe(
      'C:\\L\\Pulsemesh',
    );
    expect(dataDirectory({ platform: 'win32', env: {}, home: 'C:\\Users\\ada' })).toBe(
      'C:\\Users\\ada\\AppData\\Local\\Pulsemesh',
    );
  });
});
