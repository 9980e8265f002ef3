print("artstore-appliance")
