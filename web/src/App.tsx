import { useCallback, useEffect, useState } from "react";
import { endSession, findVisitor } from "./api/session";
import { SignIn } from "./pages/SignIn";
import { Shell } from "./Shell";
import { type Credentials, loadCredentials, ofSession, saveCredentials } from "./state/credentials";

/** The console: the door, and what is behind it. */
export function App() {
  const [credentials, setCredentials] = useState(loadCredentials);
  const [notice, setNotice] = useState("");
  const become = useCallback((next: Credentials | null, why: string) => {
    saveCredentials(next);
    setCredentials(next);
    setNotice(why);
  }, []);
  const refused = useCallback(() => become(null, "You are not signed in any more. Sign in again."), [become]);
  const signOut = useCallback(() => {
    void endSession();
    become(null, "You are signed out.");
  }, [become]);
  // Who comes back from an identity provider has a session, and no token.
  useEffect(() => {
    const gone = new AbortController();
    if (!loadCredentials()) {
      void findVisitor(gone.signal).then((visitor) => visitor && setCredentials(ofSession(visitor.tenant)));
    }
    return () => gone.abort();
  }, []);

  if (!credentials) return <SignIn notice={notice} onSignIn={(given) => become(given, "")} />;
  return <Shell credentials={credentials} onRefused={refused} onSignOut={signOut} />;
}
