/** Where the run of all tests has started processes keep compiled code: in one place, or each start of a mesh would compile everything anew. */
export const compileCache = (): Record<string, string> => {
  const folder = process.env.NODE_COMPILE_CACHE;
  return folder === undefined ? {} : { NODE_COMPILE_CACHE: folder };
};
