"""Where the API server is and who we are: kubeconfig files, and the account of a pod. No network here."""
