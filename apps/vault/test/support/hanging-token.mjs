// Stands in for the token's process with a maker's library that never comes back from a call.
process.on('message', () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0));
