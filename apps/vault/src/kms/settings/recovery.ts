import { settings, text } from './kms-settings.js';

/** Shares that people keep (ADR 0007). */
export const recovery = settings({
  variables: {
    KEYMESH_KMS_RECOVERY_PUBLIC_KEY_FILE: text(
      'recovery: file that `keymesh recovery init` wrote, recovery.pub.',
    ),
    KEYMESH_KMS_RECOVERY_SHARE_FILES: text(
      'recovery: files of shares, mode 0600, with : between them; only then does recovery unwrap. Absent: it only wraps.',
    ),
  },
  toConfig: (variables, required) => ({
    kind: 'recovery' as const,
    publicKeyFile: required('KEYMESH_KMS_RECOVERY_PUBLIC_KEY_FILE'),
    shareFiles: (variables.KEYMESH_KMS_RECOVERY_SHARE_FILES ?? '').split(':').filter((path) => path !== ''),
  }),
});
