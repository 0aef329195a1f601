import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { main } from '../main.js';

/** What the command says of these keys where there is no mesh. It comes so far as to look for who asks only with keys. */
describe('principal remove-key', () => {
  let said = '';
  beforeEach(() => {
    said = '';
    process.env.KEYMESH_HOME = '/nonexistent/keymesh';
    jest.spyOn(process.stderr, 'write').mockImplementation((text) => ((said += String(text)), true));
  });
  afterEach(() => {
    delete process.env.KEYMESH_HOME;
    jest.restoreAllMocks();
  });
  const removeKey = (...keys: string[]) => main(['principal', 'remove-key', 'billing', ...keys]);
  const rest = 'A'.repeat(41);

  it.each([`-A${rest}`, `-h${rest}`, `-p${rest}`, `--${rest}`])(
    'takes a key that begins as %s',
    async (key) => {
      await removeKey(key, '--profile', 'someone');
      expect(said).toMatch(/^PROFILE_NOT_FOUND: There is no profile "someone"/);
    },
  );

  it('refuses an option that there is not, or no key at all', async () => {
    for (const words of [['--frobnicate'], [`-A${rest}`, '--frobnicate'], ['-x'], []]) {
      said = '';
      expect(await removeKey(...words)).toBe(2);
      expect(said).toMatch(/^USAGE/);
    }
  });
});
