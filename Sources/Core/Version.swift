/// The product's version, as `--version`, health answers and packages show it.
public enum Product {
  public static let version = "0.1.0"
  public static let name = "ArtStore"
}
