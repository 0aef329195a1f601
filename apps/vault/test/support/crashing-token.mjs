// Stands in for the token's process with a maker's library that brings its process down.
process.on('message', () => process.abort());
