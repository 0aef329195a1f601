// The token's process with a token that loses its sessions before every fifth use, and a process that dies at its first message ever.
import { existsSync, writeFileSync } from 'node:fs';
import pkcs11 from 'pkcs11js';

const { DIED_ONCE, TOKEN_PROGRAM } = process.env;
if (!existsSync(DIED_ONCE)) {
  process.on('message', () => {
    writeFileSync(DIED_ONCE, '');
    process.abort();
  });
} else {
  const { prototype } = pkcs11.PKCS11;
  for (const name of ['C_EncryptInit', 'C_DecryptInit']) {
    const real = prototype[name];
    let uses = 0;
    prototype[name] = function (...args) {
      uses += 1;
      if (uses % 5 === 0) for (const slot of this.C_GetSlotList(true)) this.C_CloseAllSessions(slot);
      return real.apply(this, args);
    };
  }
  await import(TOKEN_PROGRAM);
}
