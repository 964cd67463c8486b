//! Query generators: who turns a sentence into SQL.
