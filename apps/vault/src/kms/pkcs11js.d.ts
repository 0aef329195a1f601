// What pkcs11-token.ts uses of the package pkcs11js. The package is optional: it is compiled when it is installed, and where that is not possible
// its own types are missing too; the vault still builds and runs there, without tokens.
declare module 'pkcs11js' {
  export type Handle = Buffer;

  export interface TokenInfo {
    readonly label: string;
  }

  /** A numeric constant of PKCS #11, and its value for the object. */
  export interface Attribute {
    readonly type: number;
    readonly value?: number | boolean | string | Buffer;
  }

  export interface Mechanism {
    readonly mechanism: number;
    readonly parameter: object;
  }

  /** A loaded library. Each call throws an error whose `code` is the return value (CKR_…). */
  export class PKCS11 {
    load(path: string): void;
    close(): void;
    C_Initialize(options: { readonly flags: number }): void;
    C_Finalize(): void;
    C_GetSlotList(tokenPresent: boolean): Handle[];
    C_GetTokenInfo(slot: Handle): TokenInfo;
    C_OpenSession(slot: Handle, flags: number): Handle;
    C_CloseSession(session: Handle): void;
    C_Login(session: Handle, userType: number, pin: string): void;
    C_FindObjectsInit(session: Handle, template: readonly Attribute[]): void;
    C_FindObjects(session: Handle, maxObjectCount: number): Handle[];
    C_FindObjectsFinal(session: Handle): void;
    C_GetAttributeValue(
      session: Handle,
      object: Handle,
      template: readonly Attribute[],
    ): { readonly type: number; readonly value: unknown }[];
    C_EncryptInit(session: Handle, mechanism: Mechanism, key: Handle): void;
    C_Encrypt(session: Handle, plain: Buffer, into: Buffer): Buffer;
    C_DecryptInit(session: Handle, mechanism: Mechanism, key: Handle): void;
    C_Decrypt(session: Handle, encrypted: Buffer, into: Buffer): Buffer;
  }

  export const CKF_OS_LOCKING_OK: number;
  export const CKF_SERIAL_SESSION: number;
  export const CKU_USER: number;
  export const CKA_CLASS: number;
  export const CKA_KEY_TYPE: number;
  export const CKA_TOKEN: number;
  export const CKA_LABEL: number;
  export const CKA_EXTRACTABLE: number;
  export const CKA_SENSITIVE: number;
  export const CKO_SECRET_KEY: number;
  export const CKK_AES: number;
  export const CKM_AES_GCM: number;
  export const CK_PARAMS_AES_GCM: number;

  const library: typeof import('pkcs11js');
  export default library;
}
