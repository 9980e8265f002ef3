print("artstore-controlplane")
